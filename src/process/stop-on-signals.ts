import type { Logger } from '../base/logger.ts'

/** The first SIGTERM or SIGINT aborts the controller, so that work ends in order; the second ends the process at once, with code 1. */
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
