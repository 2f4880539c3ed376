import { RegistryError } from './registry-error.ts'

interface Lane {
  running: number
  /** Each call lets the next one in. */
  readonly waiting: Set<() => void>
  /** On the gate's clock; in the past where no pause was asked for. */
  pausedUntil: number
}

/** A registry that says 429 without saying until when is left alone for this long. */
const DEFAULT_PAUSE_MS = 60_000

/** Lets a few questions at a time through to each host, and none while the host wants to be left alone. */
export class HostGate {
  readonly #limit: number
  readonly #now: () => number
  readonly #lanes = new Map<string, Lane>()

  /** `now` gives milliseconds on a monotonic scale. */
  constructor(limit: number, now: () => number = () => performance.now()) {
    this.#limit = limit
    this.#now = now
  }

  /**
   * Does the work when it is its turn. Throws RegistryError `RateLimited`, at once, while the host wants a pause; a `RateLimited` of
   * the work itself begins one. Throws the signal's reason where it fires during the wait.
   */
  async run<T>(host: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    const lane = this.#laneOf(host)
    this.#refuseDuringPause(host, lane)
    await this.#enter(lane, signal)
    try {
      this.#refuseDuringPause(host, lane)
      return await work()
    } catch (error) {
      throw error instanceof RegistryError && error.code === 'RateLimited' ? this.#pause(lane, error) : error
    } finally {
      this.#leave(lane)
    }
  }

  #laneOf(host: string): Lane {
    const lane = this.#lanes.get(host) ?? {
      running: 0,
      waiting: new Set(),
      pausedUntil: Number.NEGATIVE_INFINITY,
    }
    this.#lanes.set(host, lane)
    return lane
  }

  #refuseDuringPause(host: string, lane: Lane): void {
    const left = lane.pausedUntil - this.#now()
    if (left <= 0) return
    throw new RegistryError('RateLimited', `${host} asked to be left alone`, { retryAfterMs: left })
  }

  /** A pause that is longer already stays as it is. */
  #pause(lane: Lane, error: RegistryError): RegistryError {
    const retryAfterMs = error.retryAfterMs ?? DEFAULT_PAUSE_MS
    lane.pausedUntil = Math.max(lane.pausedUntil, this.#now() + retryAfterMs)
    return error.retryAfterMs === undefined
      ? new RegistryError('RateLimited', error.message, { retryAfterMs, cause: error.cause })
      : error
  }

  async #enter(lane: Lane, signal: AbortSignal | undefined): Promise<void> {
    if (lane.running < this.#limit) {
      lane.running++
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = () => {
      lane.waiting.delete(resolve)
      reject(signal?.reason)
    }
    lane.waiting.add(resolve)
    signal?.addEventListener('abort', onAbort, { once: true })
    await promise.finally(() => signal?.removeEventListener('abort', onAbort))
  }

  #leave(lane: Lane): void {
    const [next] = lane.waiting
    if (next) {
      // The place goes over without becoming free in between, so that nobody overtakes.
      lane.waiting.delete(next)
      next()
      return
    }
    lane.running--
    for (const [name, { running, pausedUntil }] of this.#lanes) {
      if (running === 0 && pausedUntil <= this.#now()) this.#lanes.delete(name)
    }
  }
}
