/**
 * Exponential back-off with jitter, for a loop that meets errors: `base · 2^n`, at most `cap`, times 0.5 to 1.5, so that many
 * clients of one failed server do not come back in step.
 */
export class JitteredBackoff {
  readonly #baseMs: number
  readonly #capMs: number
  #attempts = 0

  constructor(baseMs: number, capMs: number) {
    this.#baseMs = baseMs
    this.#capMs = capMs
  }

  /** Milliseconds to wait now; grows with every call. */
  next(): number {
    const ms = Math.min(this.#capMs, this.#baseMs * 2 ** Math.min(this.#attempts, 30))
    this.#attempts++
    return ms * (0.5 + Math.random())
  }

  /** Starts anew from the base: things work again. */
  reset(): void {
    this.#attempts = 0
  }
}
