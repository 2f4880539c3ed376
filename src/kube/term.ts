import { KubeError } from './errors.ts'

/**
 * A leader's term: the time in which this process knows that it leads. Each renewal of the Lease extends it.
 * It also ends without a timer, because a timer is late when the process was paused.
 */
export class Term {
  readonly #over = new AbortController()
  #until: number

  /** @param until end of the term without a renewal, in milliseconds on the monotonic clock */
  constructor(until: number) {
    this.#until = until
  }

  /** End of the term without a further renewal, in milliseconds on the monotonic clock. */
  get until(): number {
    return this.#until
  }

  /** Fires when the term is over. Its reason is a KubeError `LeaseLost`. */
  get signal(): AbortSignal {
    return this.#over.signal
  }

  /** True when the term is over. It does not start again. */
  get isOver(): boolean {
    if (performance.now() >= this.#until) this.end()
    return this.#over.signal.aborted
  }

  extend(until: number): void {
    this.#until = until
  }

  end(): void {
    this.#over.abort(leaseLost('the work of the leader'))
  }
}

/** The error for work that only a leader may do. */
export function leaseLost(what: string): KubeError {
  return new KubeError('LeaseLost', `this process no longer leads, so it may not write (${what})`)
}
