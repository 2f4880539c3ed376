/** A source of time that tests can replace. */
export interface Clock {
  /** Milliseconds on a monotonic scale. Only differences have a meaning. */
  now(): number
  /** Calls `callback` once after `ms` milliseconds. The returned function cancels the call. */
  after(ms: number, callback: () => void): () => void
}

/** Longest delay of setTimeout. A longer one fires at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/** The clock of this process. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(ms, 0), MAX_TIMEOUT_MS))
    timer.unref()
    return () => clearTimeout(timer)
  },
}
