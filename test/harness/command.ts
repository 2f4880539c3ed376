import { spawn } from 'node:child_process'
import { homedir } from 'node:os'
import { HarnessError } from './errors.ts'

/** Settings of a command. */
export interface CommandOptions {
  /** Standard input. Default: empty. */
  readonly input?: string
  /** Environment of the command besides PATH and HOME. Other variables of this process are not passed. */
  readonly env?: Readonly<Record<string, string>>
  /** Directories to search before those of this process's PATH. */
  readonly path?: readonly string[]
  /** Milliseconds after which it is killed. Default 60 000. */
  readonly timeoutMs?: number
}

/**
 * Runs a command without a shell and returns its standard output.
 *
 * @throws HarnessError `CommandFailed` with its standard error when its exit status is not 0.
 */
export function run(argv: readonly [string, ...string[]], options: CommandOptions = {}): Promise<string> {
  const [file, ...args] = argv
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const timeoutMs = options.timeoutMs ?? 60_000
  const child = spawn(file, args, {
    env: {
      PATH: [...(options.path ?? []), process.env.PATH ?? ''].join(':'),
      HOME: homedir(),
      ...options.env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  const output: Buffer[] = []
  const errors: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
  // A command that exits before it has read all its input breaks the pipe. Its exit status explains why.
  child.stdin.on('error', () => {})
  child.on('error', cause =>
    reject(new HarnessError('CommandFailed', `${argv.join(' ')}: ${cause.message}`, { cause })),
  )
  child.on('close', (status, signal) => {
    const text = Buffer.concat(output).toString('utf8')
    if (status === 0) return resolve(text)
    const words = Buffer.concat(errors).toString('utf8').trim() || text.trim()
    const end = signal ? `ended by ${signal} (allowed ${timeoutMs} ms)` : `exit status ${status}`
    reject(new HarnessError('CommandFailed', `${argv.join(' ')}: ${end}: ${words}`))
  })
  child.stdin.end(options.input ?? '')
  return promise
}
