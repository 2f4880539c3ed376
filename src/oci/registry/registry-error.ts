/**
 * What went wrong when a registry was asked, as a closed set.
 *
 * - `NotFound` 404: no such repository or tag
 * - `Unauthorized` 401, or a challenge that cannot be met with what credentials there are; many registries say so for a
 *   repository that does not exist, too
 * - `Forbidden` 403
 * - `RateLimited` 429, or the registry asked for a pause that is not over yet
 * - `Unavailable` any 5xx, or no HTTP answer: DNS, refused, reset, TLS
 * - `Timeout` no complete answer in time
 * - `Blocked` an address that is never asked, or plain HTTP where https is wanted
 * - `InvalidAnswer` an answer that the distribution specification does not provide
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
 * The only error that the registry client throws, besides the reason of a caller's own signal. Its message holds the registry's
 * host, statuses and the registry's error codes: never a credential, an address that a name stands for, or words of an answer.
 */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly code: RegistryErrorCode
  /** How long the registry wants to be left alone, in milliseconds from now. Always there with `RateLimited`. */
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

  /** True when the very same question may be answered later. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code)
  }
}
