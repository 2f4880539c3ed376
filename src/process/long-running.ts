import { pino } from 'pino'
import type { LogLevel } from './flags/log-flags.ts'
import { stopOnSignals } from './stop-on-signals.ts'
import { VERSION } from '../base/version.ts'

/** Options of every long-running process. */
interface CommonOptions {
  readonly logLevel: LogLevel
  readonly warnings: readonly string[]
}

/**
 * Runs a process until a signal stops it or an error ends it. Resolves to the exit code.
 *
 * @param component name of the process in its log
 * @param options parsed options, or the help text to print
 * @param run does the work until `stop` is aborted. It aborts `stop` itself to end the process
 */
export async function runUntilStopped<T extends CommonOptions>(
  component: string,
  options: T | { readonly help: string },
  run: (options: T, log: pino.Logger, stop: AbortController) => Promise<void>,
): Promise<number> {
  if ('help' in options) {
    process.stdout.write(options.help)
    return 0
  }
  const log = pino({ level: options.logLevel, base: { component } })
  for (const warning of options.warnings) log.warn(warning)
  log.info({ version: VERSION, node: process.version }, 'starting')
  const stop = new AbortController()
  stopOnSignals(stop, log)
  try {
    await run(options, log, stop)
    log.info('stopped')
    return 0
  } catch (error) {
    stop.abort()
    log.fatal({ err: error }, `${component} cannot go on`)
    return 1
  }
}
