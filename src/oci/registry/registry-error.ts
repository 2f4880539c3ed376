/**
 * The kinds of failed registry requests, as a closed set.
 *
 * - `NotFound`: 404, no such repository or tag
 * - `Unauthorized`: 401, or a challenge that the available credentials cannot meet. Many registries also
 *   answer so for a repository that does not exist
 * - `Forbidden`: 403
 * - `RateLimited`: 429, or a pause that the registry asked for has not ended
 * - `Unavailable`: any 5xx, or no HTTP answer: DNS, connection refused or reset, TLS
 * - `Timeout`: no complete answer in time
 * - `Blocked`: a blocked address, or plain HTTP where https is required
 * - `InvalidAnswer`: an answer that breaks the distribution specification
 */
export type RegistryErrorCode =
  | 'NotFound'
  | 'Unauthorized'
  | 'Forbidden'
  | 'RateLimited'
  | 'Unavailable'
  | 'Timeout'
  | 'Blocked'
  | 'InvalidAnswer'

const RETRYABLE: ReadonlySet<RegistryErrorCode> = new Set(['RateLimited', 'Unavailable', 'Timeout'])

/**
 * The only error that the registry client throws, except the reason of a caller's signal. The message
 * contains the registry's host, statuses and error codes. It never contains a credential, a resolved address
 * or text of an answer.
 */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly code: RegistryErrorCode
  /** Pause that the registry asks for, in milliseconds from now. Always set for `RateLimited`. */
  readonly retryAfterMs?: number

  constructor(
    code: RegistryErrorCode,
    message: string,
    options: { retryAfterMs?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs
  }

  /** True when the same request may succeed later. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code)
  }
}
