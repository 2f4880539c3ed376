/**
 * Exponential back-off with jitter for a loop that retries after errors: `base · 2^n`, at most `cap`, times a
 * random factor from 0.5 to 1.5. The jitter spreads the retries of many clients after a server failure.
 */
export class JitteredBackoff {
  readonly #baseMs: number
  readonly #capMs: number
  #attempts = 0

  constructor(baseMs: number, capMs: number) {
    this.#baseMs = baseMs
    this.#capMs = capMs
  }

  /** Milliseconds to wait now. Each call doubles the next wait. */
  next(): number {
    const ms = Math.min(this.#capMs, this.#baseMs * 2 ** Math.min(this.#attempts, 30))
    this.#attempts++
    return ms * (0.5 + Math.random())
  }

  /** Starts again from the base, after a success. */
  reset(): void {
    this.#attempts = 0
  }
}
