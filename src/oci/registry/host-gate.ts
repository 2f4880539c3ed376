import { RegistryError } from './registry-error.ts'

/** Work for one host. */
interface HostQueue {
  running: number
  /** Functions that start the waiting work, in order of arrival. */
  readonly waiting: Set<() => void>
  /** End of the pause, on the gate's clock. In the past when there is no pause. */
  pausedUntil: number
}

/** Pause after a 429 without `Retry-After`. */
const DEFAULT_PAUSE_MS = 60_000

/**
 * Limits the parallel requests to each host, and rejects requests while a host has asked for a pause (429).
 */
export class HostGate {
  readonly #limit: number
  readonly #now: () => number
  readonly #queues = new Map<string, HostQueue>()

  /**
   * @param limit requests to one host at the same time
   * @param now milliseconds on a monotonic scale
   */
  constructor(limit: number, now: () => number = () => performance.now()) {
    this.#limit = limit
    this.#now = now
  }

  /**
   * Waits for a free place of the host, then runs the work. During a pause of the host it throws
   * RegistryError `RateLimited` at once. A `RateLimited` error of the work starts a pause. Throws the
   * signal's reason when it fires during the wait.
   */
  async run<T>(host: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    const queue = this.#queueOf(host)
    this.#rejectDuringPause(host, queue)
    await this.#enter(queue, signal)
    try {
      this.#rejectDuringPause(host, queue)
      return await work()
    } catch (error) {
      throw error instanceof RegistryError && error.code === 'RateLimited' ? this.#pause(queue, error) : error
    } finally {
      this.#leave(queue)
    }
  }

  #queueOf(host: string): HostQueue {
    const queue = this.#queues.get(host) ?? {
      running: 0,
      waiting: new Set(),
      pausedUntil: Number.NEGATIVE_INFINITY,
    }
    this.#queues.set(host, queue)
    return queue
  }

  #rejectDuringPause(host: string, queue: HostQueue): void {
    const left = queue.pausedUntil - this.#now()
    if (left <= 0) return
    throw new RegistryError('RateLimited', `${host} asked for a pause`, { retryAfterMs: left })
  }

  /** Starts a pause. A running pause that ends later stays. */
  #pause(queue: HostQueue, error: RegistryError): RegistryError {
    const retryAfterMs = error.retryAfterMs ?? DEFAULT_PAUSE_MS
    queue.pausedUntil = Math.max(queue.pausedUntil, this.#now() + retryAfterMs)
    return error.retryAfterMs === undefined
      ? new RegistryError('RateLimited', error.message, { retryAfterMs, cause: error.cause })
      : error
  }

  async #enter(queue: HostQueue, signal: AbortSignal | undefined): Promise<void> {
    if (queue.running < this.#limit) {
      queue.running++
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = () => {
      queue.waiting.delete(resolve)
      reject(signal?.reason)
    }
    queue.waiting.add(resolve)
    signal?.addEventListener('abort', onAbort, { once: true })
    await promise.finally(() => signal?.removeEventListener('abort', onAbort))
  }

  #leave(queue: HostQueue): void {
    const [next] = queue.waiting
    if (next) {
      // Hand the place to the next in line. Freeing it first would let a newcomer take it.
      queue.waiting.delete(next)
      next()
      return
    }
    queue.running--
    for (const [name, { running, pausedUntil }] of this.#queues) {
      if (running === 0 && pausedUntil <= this.#now()) this.#queues.delete(name)
    }
  }
}
