import { binary } from '../../harness/binaries.ts'
import { run } from '../../harness/command.ts'
import { CHART } from '../../harness/helm.ts'

export const NAMESPACE = 'kube-fledged'

/** Values of the chart by path, such as `image.tag`. */
export type Values = Readonly<Record<string, unknown>>

/** Output of `helm template` for the chart. Throws HarnessError with helm's error text. */
export function render(values: Values = {}, release = 'kube-fledged'): Promise<string> {
  const sets = Object.entries(values).flatMap(([path, value]) => [
    '--set-json',
    `${path}=${JSON.stringify(value)}`,
  ])
  return run([binary('helm'), 'template', release, CHART, '--namespace', NAMESPACE, ...sets])
}
