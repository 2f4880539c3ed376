import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from './cluster-env.ts'
import type { Cluster } from './cluster.ts'
import { run } from './command.ts'

/** Runs the commands that users copy from the documentation. */

/** All blocks of commands under a heading of a document, in order. A missing heading is an error. */
export async function commandsOf(document: string, heading: string): Promise<string[]> {
  const text = await readFile(join(ROOT, document), 'utf8')
  const chapter = text.split(/^(?=## )/m).find(part => part.startsWith(`## ${heading}\n`))
  if (!chapter) throw new Error(`${document} has no heading ${heading}`)
  return [...chapter.matchAll(/^```console\n(.*?)^```$/gms)].map(([, block = '']) => block)
}

/**
 * Runs commands as typed, with kubectl and helm for this cluster. Returns their output. A failing command
 * ends the run.
 */
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
