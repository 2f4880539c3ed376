/**
 * What went wrong with a request, as a closed set.
 *
 * - `NotFound` 404, `Conflict` 409 (stale resourceVersion or a failed precondition), `AlreadyExists` 409, `Forbidden` 403,
 *   `Unauthorized` 401, `Invalid` 422, `BadRequest` 400, `Gone` 410 (a resourceVersion or continue token that is too old),
 *   `TooManyRequests` 429, `ServerError` any 5xx but a time-out
 * - `Unreachable` no HTTP answer: refused, reset, DNS, TLS
 * - `Timeout` no answer within the time allowed, on this side or on the server's
 * - `Aborted` the caller's signal fired, or the client was closed
 * - `Unexpected` any other status, or an answer that is not what the API promises
 */
export type KubeErrorCode =
  | 'NotFound'
  | 'Conflict'
  | 'AlreadyExists'
  | 'Forbidden'
  | 'Unauthorized'
  | 'Invalid'
  | 'BadRequest'
  | 'Gone'
  | 'TooManyRequests'
  | 'ServerError'
  | 'Unreachable'
  | 'Timeout'
  | 'Aborted'
  | 'Unexpected'

const RETRYABLE: ReadonlySet<KubeErrorCode> = new Set([
  'TooManyRequests',
  'ServerError',
  'Unreachable',
  'Timeout',
])

/** The only error that this folder throws for a request. Its message is the API server's own words, then verb and path. */
export class KubeError extends Error {
  override readonly name = 'KubeError'
  readonly code: KubeErrorCode
  /** HTTP status, absent when there was no answer. */
  readonly status?: number
  /** `reason` of the API server's Status object. */
  readonly reason?: string
  /** What the server asked for by `Retry-After`, in milliseconds. */
  readonly retryAfterMs?: number

  constructor(
    code: KubeErrorCode,
    message: string,
    options: { status?: number; reason?: string; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    if (options.status !== undefined) this.status = options.status
    if (options.reason !== undefined) this.reason = options.reason
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs
  }

  /** True when the very same request may succeed later. A `Conflict` is not: it needs a fresh read first. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code)
  }
}

/** meta/v1 Status, as far as it is read here. */
export interface Status {
  readonly kind?: string
  readonly message?: string
  readonly reason?: string
  readonly code?: number
  readonly details?: { readonly retryAfterSeconds?: number }
}

const CODE_BY_STATUS: Readonly<Record<number, KubeErrorCode>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  408: 'Timeout',
  409: 'Conflict',
  410: 'Gone',
  422: 'Invalid',
  429: 'TooManyRequests',
  504: 'Timeout',
}

/**
 * The error for an answer that is not a success.
 *
 * @param request verb and path, for the message
 * @param body the answer's text: a Status object, or a proxy's page, of which the first 200 characters are shown
 */
export function errorFromAnswer(
  request: string,
  status: number,
  body: string,
  retryAfter?: string,
): KubeError {
  const parsed = parseStatus(body)
  const words = parsed?.message ?? (body.trim().slice(0, 200) || 'no message')
  const retryAfterMs = parseRetryAfter(retryAfter, parsed)
  return new KubeError(codeOf(status, parsed?.reason), `${words} (${request}: ${status})`, {
    status,
    ...(parsed?.reason === undefined ? {} : { reason: parsed.reason }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

/** The error for a Status object that came as an `ERROR` event of a watch. */
export function errorFromStatus(request: string, status: Status): KubeError {
  return errorFromAnswer(request, status.code ?? 500, JSON.stringify({ ...status, kind: 'Status' }))
}

/** True for a KubeError with one of these codes. */
export function isKubeError(error: unknown, ...codes: readonly KubeErrorCode[]): error is KubeError {
  return error instanceof KubeError && (codes.length === 0 || codes.includes(error.code))
}

function codeOf(status: number, reason: string | undefined): KubeErrorCode {
  if (status === 409 && reason === 'AlreadyExists') return 'AlreadyExists'
  return CODE_BY_STATUS[status] ?? (status >= 500 ? 'ServerError' : 'Unexpected')
}

function parseStatus(body: string): Status | undefined {
  if (!body.startsWith('{')) return undefined
  try {
    const value: Status = JSON.parse(body)
    return value.kind === 'Status' ? value : undefined
  } catch {
    return undefined // a cut or foreign body: its text is shown instead
  }
}

function parseRetryAfter(header: string | undefined, status: Status | undefined): number | undefined {
  const seconds = header === undefined ? status?.details?.retryAfterSeconds : Number(header)
  return seconds !== undefined && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined
}
