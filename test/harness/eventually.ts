import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import { HarnessError } from './errors.ts'

/** Time limit and interval of a wait. */
export interface EventuallyOptions {
  /** Milliseconds until it fails. Default 60 000. */
  readonly timeoutMs?: number
  /** Milliseconds between two checks. Default 200. */
  readonly everyMs?: number
  /** Ends the wait early, with the reason of the signal. */
  readonly signal?: AbortSignal
}

/**
 * Calls `check` until it returns a value other than `undefined` or `false`, and returns this value. An error
 * of `check`, such as a failed assertion or command, means "not yet". The last error is part of the message.
 *
 * @param what text that completes "waited for …"
 * @throws HarnessError `DeadlineExceeded` with the last observation. Its cause is the last error of `check`.
 */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false>,
  options: EventuallyOptions = {},
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? 60_000
  const deadline = Date.now() + timeoutMs
  let looks = 0
  let last: { value: unknown } | { error: unknown }
  do {
    if (looks > 0) await delay(options.everyMs ?? 200, undefined, { signal: options.signal })
    options.signal?.throwIfAborted()
    looks += 1
    try {
      const value = await check()
      if (value !== undefined && value !== false) return value
      last = { value }
    } catch (error) {
      last = { error }
    }
  } while (Date.now() < deadline)
  const seen =
    'error' in last
      ? `last error: ${last.error instanceof Error ? last.error.message : String(last.error)}`
      : `last value: ${inspect(last.value)}`
  throw new HarnessError(
    'DeadlineExceeded',
    `waited ${timeoutMs} ms (${looks} looks) for ${what}; ${seen}`,
    'error' in last ? { cause: last.error } : undefined,
  )
}
