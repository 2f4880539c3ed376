import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from './cluster-env.ts'
import { linkPlainTools } from './plain-tools.ts'

/** Runs a script of hack/deploy with a kubectl that writes down what it is told, and changes no cluster. */

/** How it is run. */
export interface ScriptOptions {
  /** Its environment; PATH has plain tools only. */
  readonly env?: Readonly<Record<string, string>>
  /** What kubectl prints, by a pattern of bash for its arguments; the first one that matches counts. `!` as the answer: it fails. */
  readonly answers?: Readonly<Record<string, string>>
  /** What a person types at a terminal; without it there is no terminal. */
  readonly typed?: string
  /** Root of the checkout; this one where absent. */
  readonly root?: string
}

/** How it ended. */
export interface ScriptResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** The arguments of each kubectl. */
  readonly calls: readonly string[]
  /** The manifests that kubectl was told to apply, and those that it was told to delete. */
  readonly applied: string
  readonly deleted: string
}

/** @param script its path in the checkout, and its argument */
export async function runDeployScript(
  script: readonly [path: string, argument: string],
  options: ScriptOptions = {},
): Promise<ScriptResult> {
  const folder = await mkdtemp(join(tmpdir(), 'deploy-script-'))
  const file = (name: string) => join(folder, name)
  try {
    await mkdir(file('tools'))
    await linkPlainTools(file('tools'))
    await writeFile(file('tools/kubectl'), kubectl(folder, options.answers ?? {}), { mode: 0o755 })
    for (const name of ['calls', 'applied', 'deleted']) await writeFile(file(name), '')
    const [path, argument] = script
    const command = [join(options.root ?? ROOT, path), argument]
    const env = { ...options.env, PATH: file('tools'), HOME: folder }
    const ended = await run(command, env, options.typed)
    const text = (name: string) => readFile(file(name), 'utf8')
    const calls = (await text('calls')).split('\n').slice(0, -1)
    return { ...ended, calls, applied: await text('applied'), deleted: await text('deleted') }
  } finally {
    await rm(folder, { recursive: true })
  }
}

function kubectl(folder: string, answers: Readonly<Record<string, string>>): string {
  const given = Object.entries(answers).map(([pattern, answer]) =>
    answer === '!'
      ? `  ${pattern}) echo 'refused' >&2; exit 1 ;;`
      : `  ${pattern}) printf '%s\\n' '${answer}' ;;`,
  )
  return `#!/bin/bash
echo "$*" >>'${folder}/calls'
case "$*" in
${given.join('\n')}
  *apply*-f\\ -*) { echo ---; cat; } >>'${folder}/applied' ;;
  *metadata.generation*|*observedGeneration*) echo 1 ;;
  "delete -f -"*) { echo ---; cat; } >>'${folder}/deleted' ;;
  create*) cat >/dev/null; echo 'Duplicate image names' ;;
esac
`
}

function run(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  typed: string | undefined,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    code: number
    stdout: string
    stderr: string
  }>()
  // script gives the command a terminal, to which both of its outputs go
  const [file = '', ...args] =
    typed === undefined ? command : ['/usr/bin/script', '-qec', command.join(' '), '/dev/null']
  const child = spawn(file, args, {
    env: { ...env },
    stdio: [typed === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')))
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')))
  child.on('error', reject)
  child.on('close', code => resolve({ code: code ?? 1, stdout, stderr }))
  child.stdin?.end(typed)
  return promise
}
