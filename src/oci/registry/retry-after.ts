/** Longest pause that is accepted. After it, one request finds out whether the registry works again. */
const MAX_MS = 3_600_000

/**
 * Parses a `Retry-After` header, seconds or an HTTP date (RFC 9110 §10.2.3), to milliseconds from 0 to one
 * hour. Undefined when it is neither.
 *
 * @param now milliseconds since the epoch
 */
export function parseRetryAfter(header: string | undefined, now: number = Date.now()): number | undefined {
  const text = header?.trim()
  if (!text) return undefined
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, MAX_MS)
  // Date.parse accepts many texts that are no HTTP date, such as negative numbers.
  const at = /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.min(Math.max(at - now, 0), MAX_MS)
}
