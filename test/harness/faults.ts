/** Number of bytes after which a stalled answer stops. */
export const STALL_BYTES = 4096

/** Behaviour of a registry for the manifests and blobs of a repository. */
export type Fault =
  /** Serves the pushed content. */
  | { readonly kind: 'none' }
  /** 401 with `WWW-Authenticate: Basic`. */
  | { readonly kind: 'unauthorized' }
  /** 403 with the error code `DENIED`. */
  | { readonly kind: 'forbidden' }
  /** 429 with `Retry-After`. */
  | { readonly kind: 'ratelimited' }
  /** 500. */
  | { readonly kind: 'servererror' }
  /** 503. */
  | { readonly kind: 'unavailable' }
  /** 200 with an HTML page, like a login portal. */
  | { readonly kind: 'htmlpage' }
  /** 200 with a manifest that is not JSON. */
  | { readonly kind: 'brokenmanifest' }
  /** Serves the pushed content, each answer after a delay. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /**
   * 503 for the first requests of a manifest, then serves the pushed content. containerd sends 3 requests
   * before a pull fails.
   */
  | { readonly kind: 'flaky'; readonly failures: number }
  /** Accepts the request and never answers. */
  | { readonly kind: 'hang' }
  /**
   * Serves manifests. Of each blob it sends {@link STALL_BYTES} bytes and keeps the connection open. Configs
   * are shorter.
   */
  | { readonly kind: 'stall' }

/** An answer that replaces the pushed content. */
export interface FaultAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Answers of the faults that answer every request in the same way. */
const ANSWERS = {
  unauthorized: error(401, 'UNAUTHORIZED', 'authentication required', {
    'www-authenticate': 'Basic realm="faulty"',
  }),
  forbidden: error(403, 'DENIED', 'requested access to the resource is denied'),
  ratelimited: error(429, 'TOOMANYREQUESTS', 'You have reached your pull rate limit.', {
    'retry-after': '1',
  }),
  servererror: error(500, 'UNKNOWN', 'unknown error'),
  unavailable: error(503, 'UNAVAILABLE', 'service unavailable'),
  htmlpage: {
    status: 200,
    headers: { 'content-type': 'text/html' },
    body: '<!doctype html><title>Sign in</title><p>Sign in to go on.\n',
  },
  brokenmanifest: {
    status: 200,
    headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
    body: 'this is no manifest\n',
  },
} as const satisfies Record<string, FaultAnswer>

/**
 * The fault that the first parts of a repository name select: `unauthorized/app`, `slow/2000/app`
 * (milliseconds), `flaky/2/app` (failures), and so on. Any other name has no fault.
 */
export function faultOfName(repository: string): Fault {
  const [kind, number] = repository.split('/')
  if (kind === 'slow') return { kind, delayMs: Number(number) || 1000 }
  if (kind === 'flaky') return { kind, failures: Number(number) || 1 }
  if (kind === 'hang' || kind === 'stall') return { kind }
  if (kind !== undefined && Object.hasOwn(ANSWERS, kind)) return { kind: kind as keyof typeof ANSWERS }
  return { kind: 'none' }
}

/** The answer of the fault. Absent when the fault does not replace the content. */
export function answerOf(kind: Fault['kind']): FaultAnswer | undefined {
  if (kind === 'flaky') return ANSWERS.unavailable
  return kind in ANSWERS ? ANSWERS[kind as keyof typeof ANSWERS] : undefined
}

function error(
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): FaultAnswer {
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: `${JSON.stringify({ errors: [{ code, message }] })}\n`,
  }
}
