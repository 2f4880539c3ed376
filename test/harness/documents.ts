import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from './cluster-env.ts'
import type { Cluster } from './cluster.ts'
import { run } from './command.ts'

/** Commands that users copy out of our documents. */

/** Every block of commands under a heading of a document, in its order. A heading that is not there is an error. */
export async function commandsOf(document: string, heading: string): Promise<string[]> {
  const text = await readFile(join(ROOT, document), 'utf8')
  const chapter = text.split(/^(?=## )/m).find(part => part.startsWith(`## ${heading}\n`))
  if (!chapter) throw new Error(`${document} has no heading ${heading}`)
  return [...chapter.matchAll(/^```console\n(.*?)^```$/gms)].map(([, block = '']) => block)
}

/** Runs commands as they are typed, with the kubectl and the helm of this cluster; answers their output. One that fails ends them. */
export function runCommands(
  cluster: Cluster,
  commands: string,
  folder: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<string> {
  return run(['bash', '--norc', '-euo', 'pipefail', '-c', `cd "$0"\n${commands}`, folder], {
    timeoutMs: 300_000,
    path: cluster.isLocal ? [cluster.local.bin] : [],
    env: { ...variables, KUBECONFIG: cluster.kubeconfig },
  })
}
