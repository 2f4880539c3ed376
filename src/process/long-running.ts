import { pino } from 'pino'
import type { LogLevel } from './flags/log-flags.ts'
import { stopOnSignals } from './stop-on-signals.ts'
import { VERSION } from '../base/version.ts'

/** What every process that runs until it is told to stop has among its options. */
interface CommonOptions {
  readonly logLevel: LogLevel
  readonly warnings: readonly string[]
}

/**
 * Runs a process until it is told to stop by a signal, or cannot go on. Resolves to the exit code.
 *
 * @param component name of the process in its log
 * @param options as parsed, or the help that was asked for
 * @param run does the work until `stop` is aborted; aborts it itself where the process has to end
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
