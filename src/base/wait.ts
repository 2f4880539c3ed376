import { KubeError } from '../kube/errors.ts'

/** The error for work that the caller called off. */
export function abortedError(signal: AbortSignal, what: string): KubeError {
  return new KubeError('Aborted', `aborted: ${what}`, { cause: signal.reason })
}

/** Resolves after `ms`; rejects with `Aborted` as soon as the signal fires. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(abortedError(signal, 'wait'))
      return
    }
    const onAbort = () => {
      clearTimeout(timer)
      if (signal) reject(abortedError(signal, 'wait'))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Settles as `promise` does, or rejects with `Aborted` when the signal fires first. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal, what: string): Promise<T> {
  if (signal.aborted) return Promise.reject(abortedError(signal, what))
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(abortedError(signal, what))
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/**
 * Exponential back-off with jitter, for a loop that meets errors: `base · 2^n`, at most `cap`, times 0.5 to 1.5, so that many
 * clients of one failed server do not come back in step.
 */
export class Backoff {
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
