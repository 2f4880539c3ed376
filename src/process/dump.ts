import type { Logger } from '../base/logger.ts'

/**
 * Logs a JSON dump of the state of the process for each SIGUSR2, until the signal fires.
 */
export function dumpOnSignal(collect: () => object, log: Logger, signal: AbortSignal): void {
  const dump = () => log.info({ dump: collect() }, 'dump')
  process.on('SIGUSR2', dump)
  signal.addEventListener('abort', () => process.off('SIGUSR2', dump), { once: true })
}
