/**
 * The kinds of failed requests, as a closed set.
 *
 * - `NotFound` 404, `Conflict` 409 (stale resourceVersion or failed precondition), `AlreadyExists` 409,
 *   `Forbidden` 403, `Unauthorized` 401, `Invalid` 422, `BadRequest` 400, `Gone` 410 (a resourceVersion or
 *   continue token that is too old), `TooManyRequests` 429, `ServerError` any 5xx except 504
 * - `Unreachable`: no HTTP answer: connection refused or reset, DNS, TLS
 * - `Timeout`: no answer in time, here (client-side) or at the server (408, 504)
 * - `Aborted`: the caller's signal fired, or the client was closed
 * - `LeaseLost`: this process no longer leads, so it may not write. The request was not sent, or was cut off
 * - `Unexpected`: any other status, or an answer that breaks the API's contract
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
  | 'LeaseLost'
  | 'Unexpected'

const RETRYABLE: ReadonlySet<KubeErrorCode> = new Set([
  'TooManyRequests',
  'ServerError',
  'Unreachable',
  'Timeout',
  // In the next term.
  'LeaseLost',
])

/**
 * The only error that this folder throws for a request. The message has the API server's own text, then verb
 * and path.
 */
export class KubeError extends Error {
  override readonly name = 'KubeError'
  readonly code: KubeErrorCode
  /** HTTP status. Absent when there was no answer. */
  readonly status?: number
  /** `reason` of the API server's Status object. */
  readonly reason?: string
  /** Delay that the server asked for with `Retry-After`, in milliseconds. */
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

  /** True when the same request may succeed later. False for a `Conflict`: it needs a fresh read first. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code)
  }
}

/** meta/v1 Status, with the fields that are read here. */
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
 * The error for an answer without success.
 *
 * @param request verb and path, for the message
 * @param body text of the answer: a Status object, or a proxy's page. The message shows 200 characters of a
 * page
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

/** The error for a Status object in an `ERROR` event of a watch. */
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
    return undefined // not a Status object: the message shows its text
  }
}

function parseRetryAfter(header: string | undefined, status: Status | undefined): number | undefined {
  const seconds = header === undefined ? status?.details?.retryAfterSeconds : Number(header)
  return seconds !== undefined && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined
}
