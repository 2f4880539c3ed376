import type { Logger } from '../base/logger.ts'

/**
 * Aborts the controller at the first SIGTERM or SIGINT, so that work can finish. Exits at once with code 1 at
 * the second.
 */
export function stopOnSignals(stop: AbortController, log: Logger): void {
  let asked = false
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (asked) process.exit(1)
      asked = true
      log.info({ signal: name }, 'stopping')
      stop.abort()
    })
  }
}
