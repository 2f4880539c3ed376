import { type Clock, systemClock } from '../base/clock.ts'
import { Fifo } from '../base/fifo.ts'
import { isSliceOver, nextTurn } from '../base/time-slice.ts'
import { isKubeError } from './errors.ts'
import { KeyedBackoff } from './keyed-backoff.ts'

/** Result of a reconcile: nothing, or the time in milliseconds after which the key is handled again. */
export type HandlerResult = { readonly requeueAfterMs?: number | undefined } | undefined | void

/** How the keys of a queue are handled. */
export interface RunOptions<K extends string> {
  /** Handlers that run at the same time, at least 1. */
  readonly workers: number
  /**
   * Handles one key. When it rejects, the key returns after its back-off, unless the error has a truthy
   * `terminal`. Its signal fires after `handlerTimeoutMs`, and `drainMs` after the run's signal.
   */
  readonly handler: (key: K, signal: AbortSignal) => Promise<HandlerResult>
  readonly signal: AbortSignal
  readonly onError?: (key: K, error: unknown) => void
  /**
   * Milliseconds that running handlers have after `signal` fires; default 3 000. None when its reason is a
   * KubeError `LeaseLost`.
   */
  readonly drainMs?: number
  /** Milliseconds that one handler may take; default 600 000. */
  readonly handlerTimeoutMs?: number
}

const DEFAULT_DRAIN_MS = 3000
const DEFAULT_HANDLER_TIMEOUT_MS = 600_000

/** A running handler. */
interface Running {
  readonly startedAt: number
  readonly cutOff: AbortController
}

/**
 * A queue of keys with the semantics of client-go's workqueue. A key is queued once, however often it is
 * added. Two workers never handle the same key at the same time. A key that is added while it is handled is
 * queued again. All queues of the process together yield to the event loop by time slice.
 */
export class WorkQueue<K extends string> {
  readonly #clock: Clock
  readonly #backoff: KeyedBackoff<K>
  readonly #ready = new Fifo<K>()
  readonly #dirty = new Set<K>()
  readonly #processing = new Map<K, Running>()
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
    // The map is in the order of the starts.
    for (const { startedAt } of this.#processing.values()) return this.#clock.now() - startedAt
    return 0
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
    const { signal, drainMs = DEFAULT_DRAIN_MS } = options
    let cancelCutOff = () => {}
    const onAbort = () => {
      const cutOff = () => {
        for (const running of this.#processing.values()) running.cutOff.abort(signal.reason)
      }
      if (isKubeError(signal.reason, 'LeaseLost')) cutOff()
      else cancelCutOff = this.#clock.after(drainMs, cutOff)
      for (const wake of this.#idle.splice(0)) wake()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.all(Array.from({ length: options.workers }, () => this.#work(options)))
    } finally {
      signal.removeEventListener('abort', onAbort)
      cancelCutOff()
    }
  }

  async #work(options: RunOptions<K>): Promise<void> {
    for (;;) {
      while (isSliceOver()) await nextTurn()
      if (options.signal.aborted) return
      const key = this.#ready.shift()
      if (key === undefined) await new Promise<void>(resolve => this.#idle.push(resolve))
      else await this.#handle(key, options)
    }
  }

  async #handle(key: K, { handler, onError, handlerTimeoutMs }: RunOptions<K>): Promise<void> {
    const cutOff = new AbortController()
    const timeoutMs = handlerTimeoutMs ?? DEFAULT_HANDLER_TIMEOUT_MS
    const cancelTimeout = this.#clock.after(timeoutMs, () =>
      cutOff.abort(new Error(`the handler of "${key}" has run for ${timeoutMs / 1000} s`)),
    )
    this.#dirty.delete(key)
    this.#processing.set(key, { startedAt: this.#clock.now(), cutOff })
    try {
      const result = await handler(key, cutOff.signal)
      this.forget(key)
      if (result?.requeueAfterMs !== undefined) this.addAfter(key, result.requeueAfterMs)
    } catch (error) {
      this.#failed(key, error, onError)
    } finally {
      cancelTimeout()
      this.#processing.delete(key)
      if (this.#dirty.has(key)) this.#enqueue(key)
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
