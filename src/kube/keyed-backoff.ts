import type { Clock } from '../base/clock.ts'
import { TokenBucket } from './token-bucket.ts'

const BASE_MS = 5
const CAP_MS = 1_000_000
const QPS = 10
const BURST = 100

/**
 * Delay of a failed key: the longer of its own exponential back-off (5 ms to 1 000 s) and its turn in a token
 * bucket of all keys (10 per second, burst 100). The values are those of client-go's
 * DefaultControllerRateLimiter.
 */
export class KeyedBackoff<K extends string> {
  readonly #failures = new Map<K, number>()
  readonly #bucket: TokenBucket

  constructor(clock: Clock) {
    this.#bucket = new TokenBucket(QPS, BURST, clock)
  }

  /** Counts a failure of the key and returns the delay in milliseconds. */
  next(key: K): number {
    const failures = this.#failures.get(key) ?? 0
    this.#failures.set(key, failures + 1)
    return Math.max(Math.min(CAP_MS, BASE_MS * 2 ** Math.min(failures, 30)), this.#bucket.reserve())
  }

  /** Resets the failures of the key. */
  forget(key: K): void {
    this.#failures.delete(key)
  }
}
