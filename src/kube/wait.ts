import { isKubeError, KubeError } from './errors.ts'
import { leaseLost } from './term.ts'

/** The error for work that the caller aborted: `LeaseLost` when that is the reason, else `Aborted`. */
export function abortedError({ reason }: AbortSignal, what: string): KubeError {
  return isKubeError(reason, 'LeaseLost')
    ? leaseLost(what)
    : new KubeError('Aborted', `aborted: ${what}`, { cause: reason })
}

/** Resolves after `ms` milliseconds. Rejects with KubeError `Aborted` or `LeaseLost` when the signal fires first. */
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

/** Settles like `promise`, or rejects with KubeError `Aborted` or `LeaseLost` when the signal fires first. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal, what: string): Promise<T> {
  if (signal.aborted) return Promise.reject(abortedError(signal, what))
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(abortedError(signal, what))
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
