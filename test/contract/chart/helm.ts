import { binary } from '../../harness/binaries.ts'
import { run } from '../../harness/command.ts'
import { CHART } from '../../harness/helm.ts'

export const NAMESPACE = 'kube-fledged'

/** Values of the chart by path: `image.tag`. */
export type Values = Readonly<Record<string, unknown>>

/** What `helm template` makes of the chart. Throws HarnessError with helm's words. */
export function render(values: Values = {}, release = 'kube-fledged'): Promise<string> {
  const sets = Object.entries(values).flatMap(([path, value]) => [
    '--set-json',
    `${path}=${JSON.stringify(value)}`,
  ])
  return run([binary('helm'), 'template', release, CHART, '--namespace', NAMESPACE, ...sets])
}
