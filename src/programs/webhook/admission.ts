import * as z from 'zod'

/** AdmissionReview of admission.k8s.io, v1 and v1beta1: the request of the API server and the response. */

const request = z.object({
  uid: z.string(),
  kind: z.object({ group: z.string(), version: z.string(), kind: z.string() }),
  operation: z.string(),
  object: z.unknown().optional(),
  oldObject: z.unknown().optional(),
})

const review = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  request: z.unknown().optional(),
})

/** Request of the API server: may this object be written? */
export type AdmissionRequest = z.infer<typeof request>

/** The response to a request. */
export interface AdmissionResponse {
  readonly allowed: boolean
  /** For the user, when the write is denied. */
  readonly message?: string
  /** For the user, when the write is allowed. */
  readonly warnings?: readonly string[]
}

/** The body is not an AdmissionReview request. The message says what is wrong. */
export class ReviewError extends Error {
  override readonly name = 'ReviewError'
  readonly code = 'InvalidReview'
}

const VERSIONS = ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1']

/**
 * Parses the request in a body, calls `decide`, and returns the body of the response. Throws `ReviewError`.
 */
export function answerReview(body: string, decide: (request: AdmissionRequest) => AdmissionResponse): string {
  const { apiVersion, kind, request } = decode(body)
  const { allowed, message, warnings = [] } = decide(request)
  const response = {
    uid: request.uid,
    allowed,
    ...(message !== undefined && { status: { message } }),
    ...(warnings.length > 0 && { warnings }),
  }
  return JSON.stringify({ apiVersion, kind, response })
}

function decode(body: string) {
  const { apiVersion, kind, request: inner } = parse(review, json(body))
  if (kind !== 'AdmissionReview' || !VERSIONS.includes(apiVersion)) {
    const shown = `${apiVersion}, Kind=${kind}`.slice(0, 200)
    throw new ReviewError(`Unsupported group version kind: ${shown}`)
  }
  return { apiVersion, kind, request: parse(request, inner, 'request') }
}

function json(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch (cause) {
    throw new ReviewError(`Request could not be decoded: ${describe(cause)}`, { cause })
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown, ...path: readonly string[]): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const where = [...path, ...(issue?.path ?? [])].join('.') || 'body'
  throw new ReviewError(`Request could not be decoded: ${where}: ${issue?.message}`, { cause: result.error })
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message.slice(0, 200) : String(cause)
}
