import { spawn } from 'node:child_process'
import { homedir } from 'node:os'
import { HarnessError } from './errors.ts'

/** How a command is run. */
export interface CommandOptions {
  /** What it reads from standard input; nothing where absent. */
  readonly input?: string
  /** Its whole environment besides PATH and HOME; nothing else of this process's reaches it. */
  readonly env?: Readonly<Record<string, string>>
  /** Folders searched before those of this process's PATH. */
  readonly path?: readonly string[]
  /** Milliseconds until it is killed; 60 000 where absent. */
  readonly timeoutMs?: number
}

/**
 * Runs a command without a shell and answers its standard output.
 *
 * @throws HarnessError `CommandFailed` with its standard error where it ends otherwise than with 0.
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
  // A command that ends before it has read all its input breaks the pipe; its exit status tells why.
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
