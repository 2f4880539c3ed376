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

/** How long and how often {@link staysTrue} looks. */
export interface StaysTrueOptions {
  /** Milliseconds for which it has to stay true. */
  readonly forMs: number
  /** Milliseconds between two looks; 200 where absent. */
  readonly everyMs?: number
}

/**
 * Looks again and again for a time, and throws what `check` throws (an assertion) as soon as it does.
 *
 * @param check Asserts on the state of the world.
 */
export async function staysTrue(check: () => void | Promise<void>, options: StaysTrueOptions): Promise<void> {
  const end = Date.now() + options.forMs
  await check()
  while (Date.now() < end) {
    await delay(options.everyMs ?? 200)
    await check()
  }
}
