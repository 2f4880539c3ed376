import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'

/** A server process that a test started. It stops only this process, by its handle. */
export class ServerProcess {
  readonly name: string
  readonly #logPath: string
  readonly #child: ChildProcess

  constructor(name: string, binary: string, args: readonly string[], logPath: string) {
    this.name = name
    this.#logPath = logPath
    const log = openSync(logPath, 'a')
    this.#child = spawn(binary, args, { stdio: ['ignore', log, log] })
    closeSync(log)
    // A failed spawn appears as an exit. Without a listener it would end the test run.
    this.#child.once('error', () => {})
  }

  get running(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The last lines of its log, for an error message. */
  logTail(): string {
    return readFileSync(this.#logPath, 'utf8').split('\n').slice(-15).join('\n')
  }

  /** Stops it and waits until it has ended. Sends SIGKILL after `graceMs`. */
  async end(signal: 'SIGTERM' | 'SIGKILL', graceMs = 10_000): Promise<void> {
    if (!this.running) return
    const gone = once(this.#child, 'exit')
    this.#child.kill(signal)
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs)
    await gone
    clearTimeout(timer)
  }
}
