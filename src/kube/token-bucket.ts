import { type Clock, systemClock } from '../base/clock.ts'
import { sleep } from './wait.ts'

/**
 * A token bucket, like golang.org/x/time/rate: `burst` tokens at once, then `qps` tokens per second. Tokens
 * are granted in the order of the calls. A token may be granted for a later time, until which the caller
 * waits.
 */
export class TokenBucket {
  readonly #qps: number
  readonly #burst: number
  readonly #clock: Clock
  #tokens: number
  #updatedAt: number

  constructor(qps: number, burst: number, clock: Clock = systemClock) {
    this.#qps = qps
    this.#burst = burst
    this.#clock = clock
    this.#tokens = burst
    this.#updatedAt = clock.now()
  }

  /** Takes a token. Returns the milliseconds until it may be used (0: now). */
  reserve(): number {
    this.#refill()
    this.#tokens -= 1
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#qps) * 1000
  }

  /** Takes a token if one is available now. */
  tryTake(): boolean {
    this.#refill()
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  /** Waits for a token. When the signal fires first, throws KubeError `Aborted` and returns the token. */
  async take(signal?: AbortSignal): Promise<void> {
    const ms = this.reserve()
    if (ms === 0) return
    try {
      await sleep(ms, signal)
    } catch (error) {
      this.#tokens += 1
      throw error
    }
  }

  #refill(): void {
    const now = this.#clock.now()
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#updatedAt) / 1000) * this.#qps)
    this.#updatedAt = now
  }
}
