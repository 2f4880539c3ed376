/** A smaller difference between the server's clock and ours is ignored, in milliseconds. */
const MIN_SKEW_MS = 2_000

/** A difference of two clocks in milliseconds: at least `low`, at most `high`. */
interface Range {
  readonly low: number
  readonly high: number
}

/**
 * The API server's clock, from the `Date` headers of its answers. The server writes the header at some time
 * between the request and our reading of the answer. So each answer gives a range for the difference of the
 * clocks. A slow answer, or a pause of this process, gives a wide range, which does no harm.
 */
export class ServerClock {
  /** Server's time minus our monotonic time. */
  #difference: Range | undefined

  /**
   * The server's time, in milliseconds since the epoch. It is our own clock's time where that may be right to
   * two seconds.
   */
  now(): number {
    const own = Date.now()
    if (!this.#difference) return own
    const { low, high } = this.#difference
    const monotonic = performance.now()
    const isRight = own > monotonic + low - MIN_SKEW_MS && own < monotonic + high + MIN_SKEW_MS
    return isRight ? own : monotonic + (low + high) / 2
  }

  /**
   * Learns from an answer.
   *
   * @param date its `Date` header, which has whole seconds
   * @param sentAt when the request was sent, in milliseconds on the monotonic clock
   */
  note(date: string | undefined, sentAt: number): void {
    const server = Date.parse(date ?? '')
    if (Number.isNaN(server)) return
    const range = { low: server - performance.now(), high: server + 1000 - sentAt }
    this.#difference = overlap(this.#difference, range) ?? range
  }
}

/** The range that both allow. Undefined when there is none: one of the clocks was set. */
function overlap(known: Range | undefined, { low, high }: Range): Range | undefined {
  if (!known || known.low > high || low > known.high) return undefined
  return { low: Math.max(known.low, low), high: Math.min(known.high, high) }
}
