import { RegistryError } from './registry-error.ts'

/**
 * Runs the work with a signal that fires after `timeoutMs`, or when `outer` fires. Then it throws
 * RegistryError `Timeout` or the reason of `outer`, not the error of the work.
 *
 * @param what name of the server, for the message
 */
export async function withDeadline<T>(
  what: string,
  timeoutMs: number,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  outer?.throwIfAborted()
  const controller = new AbortController()
  const timer = setTimeout(() => {
    controller.abort(new RegistryError('Timeout', `no answer from ${what} within ${timeoutMs / 1000} s`))
  }, timeoutMs)
  const onAbort = () => controller.abort(outer?.reason)
  outer?.addEventListener('abort', onAbort, { once: true })
  try {
    return await work(controller.signal)
  } catch (error) {
    controller.signal.throwIfAborted()
    throw error
  } finally {
    clearTimeout(timer)
    outer?.removeEventListener('abort', onAbort)
  }
}
