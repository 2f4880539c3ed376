import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from './cluster-env.ts'
import { linkPlainTools } from './plain-tools.ts'

/** Runs a script of hack/deploy with a kubectl that records its arguments and changes no cluster. */

/** Settings of a run. */
export interface ScriptOptions {
  /** Environment of the script. PATH has only plain tools. */
  readonly env?: Readonly<Record<string, string>>
  /**
   * Output of kubectl, by a bash pattern of its arguments. The first match counts. Output `!` means that
   * kubectl fails.
   */
  readonly answers?: Readonly<Record<string, string>>
  /** Input of a person at a terminal. Absent: there is no terminal. */
  readonly typed?: string
  /** Root of the checkout. Default: this checkout. */
  readonly root?: string
}

/** Result of a run. */
export interface ScriptResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** Arguments of each kubectl command. */
  readonly calls: readonly string[]
  /** Manifests of `kubectl apply` and of `kubectl delete`. */
  readonly applied: string
  readonly deleted: string
}

/** @param script path in the checkout, and argument */
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
  // `script` gives the command a terminal, which receives both outputs
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
