import { RegistryError } from './registry-error.ts'

/**
 * Does the work with a signal that fires after `timeoutMs`, or when `outer` does. Then it throws RegistryError `Timeout`, or the
 * reason of `outer`, whatever the work itself made of it.
 *
 * @param what who was asked, for the message
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
