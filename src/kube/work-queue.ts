import { type Clock, systemClock } from '../base/clock.ts'
import { KeyedBackoff } from './keyed-backoff.ts'

/** Result of a reconcile: nothing, or the time in milliseconds after which the key is handled again. */
export type HandlerResult = { readonly requeueAfterMs?: number | undefined } | undefined | void

/** How the keys of a queue are handled. */
export interface RunOptions<K extends string> {
  /** Handlers that run at the same time, at least 1. */
  readonly workers: number
  /**
   * Handles one key. When it rejects, the key returns after its back-off, unless the error has a truthy
   * `terminal`. Its signal fires `drainMs` after the run's signal.
   */
  readonly handler: (key: K, signal: AbortSignal) => Promise<HandlerResult>
  readonly signal: AbortSignal
  readonly onError?: (key: K, error: unknown) => void
  /**
   * Milliseconds that running handlers have after `signal` fires. Default 3 000: the time between a leader's
   * renew deadline and the end of its lease, so that no write follows the takeover by another leader.
   */
  readonly drainMs?: number
}

const DEFAULT_DRAIN_MS = 3000

/**
 * A queue of keys with the semantics of client-go's workqueue. A key is queued once, however often it is
 * added. Two workers never handle the same key at the same time. A key that is added while it is handled is
 * queued again.
 */
export class WorkQueue<K extends string> {
  readonly #clock: Clock
  readonly #backoff: KeyedBackoff<K>
  readonly #ready: K[] = []
  readonly #dirty = new Set<K>()
  /** Start time of each running handler. */
  readonly #processing = new Map<K, number>()
  readonly #delayed = new Map<K, { readonly at: number; readonly cancel: () => void }>()
  readonly #idle: (() => void)[] = []
  #terminalErrors = 0
  #retries = 0

  constructor(options: { clock?: Clock } = {}) {
    this.#clock = options.clock ?? systemClock
    this.#backoff = new KeyedBackoff<K>(this.#clock)
  }

  /** Number of keys that wait for a worker. Delayed and running keys do not count. */
  get size(): number {
    return this.#ready.length
  }

  /** Run time of the longest running handler, in milliseconds. 0 when none runs. */
  get longestHandlerMs(): number {
    return this.#processing.size === 0 ? 0 : this.#clock.now() - Math.min(...this.#processing.values())
  }

  /** Number of terminal errors of handlers so far. */
  get terminalErrors(): number {
    return this.#terminalErrors
  }

  /** Number of retries by back-off so far. */
  get retries(): number {
    return this.#retries
  }

  /** Queues a key now. */
  add(key: K): void {
    if (this.#dirty.has(key)) return
    this.#dirty.add(key)
    if (!this.#processing.has(key)) this.#enqueue(key)
  }

  /** Queues a key in `ms` milliseconds. When a key has several delays, the earliest counts. */
  addAfter(key: K, ms: number): void {
    if (ms <= 0) {
      this.add(key)
      return
    }
    const at = this.#clock.now() + ms
    const earlier = this.#delayed.get(key)
    if (earlier && earlier.at <= at) return
    earlier?.cancel()
    this.#delayed.set(key, { at, cancel: this.#clock.after(ms, () => this.#fire(key, at)) })
  }

  /**
   * Queues a key after its back-off: 5 ms, doubled for each failure since `forget`. All keys together return
   * at 10 per second after a burst of 100.
   */
  addRateLimited(key: K): void {
    this.#retries++
    this.addAfter(key, this.#backoff.next(key))
  }

  /** Resets the back-off of the key. */
  forget(key: K): void {
    this.#backoff.forget(key)
  }

  /**
   * Handles keys until the signal fires, then waits for the running handlers. Waiting keys stay in the queue.
   * A failed handler does not end the run: its error goes to `onError`.
   */
  async run(options: RunOptions<K>): Promise<void> {
    const { signal } = options
    const cutOff = new AbortController()
    let cancelCutOff = () => {}
    const onAbort = () => {
      cancelCutOff = this.#clock.after(options.drainMs ?? DEFAULT_DRAIN_MS, () => cutOff.abort(signal.reason))
      for (const wake of this.#idle.splice(0)) wake()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.all(Array.from({ length: options.workers }, () => this.#work(options, cutOff.signal)))
    } finally {
      signal.removeEventListener('abort', onAbort)
      cancelCutOff()
    }
  }

  async #work(options: RunOptions<K>, cutOff: AbortSignal): Promise<void> {
    while (!options.signal.aborted) {
      const key = this.#ready.shift()
      if (key === undefined) {
        await new Promise<void>(resolve => this.#idle.push(resolve))
        continue
      }
      this.#dirty.delete(key)
      this.#processing.set(key, this.#clock.now())
      try {
        const result = await options.handler(key, cutOff)
        this.forget(key)
        if (result?.requeueAfterMs !== undefined) this.addAfter(key, result.requeueAfterMs)
      } catch (error) {
        this.#failed(key, error, options.onError)
      } finally {
        this.#processing.delete(key)
        if (this.#dirty.has(key)) this.#enqueue(key)
      }
    }
  }

  #failed(key: K, error: unknown, onError: RunOptions<K>['onError']): void {
    if (isTerminal(error)) {
      this.#terminalErrors++
      this.forget(key)
    } else {
      this.addRateLimited(key)
    }
    onError?.(key, error)
  }

  #enqueue(key: K): void {
    this.#ready.push(key)
    this.#idle.shift()?.()
  }

  #fire(key: K, at: number): void {
    const remaining = at - this.#clock.now()
    this.#delayed.delete(key)
    // A timer cannot wait longer than 24 days.
    if (remaining > 1) this.addAfter(key, remaining)
    else this.add(key)
  }
}

function isTerminal(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'terminal' in error && Boolean(error.terminal)
}
