/** Where a stalled answer stops. */
export const STALL_BYTES = 4096

/** How a registry treats requests for the manifests and blobs of a repository. */
export type Fault =
  /** Serves what was pushed. */
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
  /** 200 with a page of HTML, as a login portal answers. */
  | { readonly kind: 'htmlpage' }
  /** 200 with a manifest that is no JSON. */
  | { readonly kind: 'brokenmanifest' }
  /** Serves what was pushed, every answer after a pause. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** 503 to the first requests for a manifest, then serves what was pushed. containerd asks 3 times before it gives up a pull. */
  | { readonly kind: 'flaky'; readonly failures: number }
  /** Takes the request and never answers. */
  | { readonly kind: 'hang' }
  /** Serves manifests; of every blob only the first {@link STALL_BYTES} come, and the connection stays open. Configs fit in. */
  | { readonly kind: 'stall' }

/** An answer that is not what was pushed. */
export interface FaultAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What faults answer that have one answer for everything. */
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
 * The fault that a repository's name asks for by its first words: `unauthorized/app`, `slow/2000/app` (milliseconds),
 * `flaky/2/app` (failures), and so on; any other name asks for none.
 */
export function faultOfName(repository: string): Fault {
  const [kind, number] = repository.split('/')
  if (kind === 'slow') return { kind, delayMs: Number(number) || 1000 }
  if (kind === 'flaky') return { kind, failures: Number(number) || 1 }
  if (kind === 'hang' || kind === 'stall') return { kind }
  if (kind !== undefined && Object.hasOwn(ANSWERS, kind)) return { kind: kind as keyof typeof ANSWERS }
  return { kind: 'none' }
}

/** What the fault answers instead of what was pushed; absent where it has no answer of its own. */
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
