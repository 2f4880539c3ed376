import { type Clock, systemClock } from '../base/clock.ts'
import { sleep } from './wait.ts'

/**
 * A token bucket that grants in order of asking, like golang.org/x/time/rate: `burst` at once, then `qps` a second.
 * A grant may lie in the future; the asker waits until then.
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

  /** Takes a token and says in how many milliseconds it may be used (0: now). */
  reserve(): number {
    this.#refill()
    this.#tokens -= 1
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#qps) * 1000
  }

  /** Takes a token only if one is there now. */
  tryTake(): boolean {
    this.#refill()
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  /** Waits for a token. Throws `Aborted`, giving the token back, when the signal fires first. */
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
