/** Time as it is asked for here, so that tests can turn the hands. */
export interface Clock {
  /** Milliseconds on a monotonic scale: only differences mean something. */
  now(): number
  /** Calls `callback` once after `ms`; the result cancels it. */
  after(ms: number, callback: () => void): () => void
}

/** setTimeout cannot count further than this and fires at once beyond it. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/** The process's own clock. Its timers never keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(ms, 0), MAX_TIMEOUT_MS))
    timer.unref()
    return () => clearTimeout(timer)
  },
}
