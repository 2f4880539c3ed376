/**
 * Why an image is not on a node: a closed table. Each reason is recognised by the words of the kubelet, the runtime or
 * the registry, and says whether trying again without a change can help.
 */

/** One row of the table. */
export interface FailureReason {
  /** What it means and what to do, for the documentation. */
  readonly doc: string
  /** True where only a refresh or an edit is followed by another attempt. */
  readonly permanent: boolean
  /** Words that it is recognised by; the first row that matches wins. */
  readonly words: readonly RegExp[]
}

/** All failure reasons, in the order in which they are tried. */
export const FAILURE_REASONS = {
  HelperImageUnavailable: {
    doc: "The operator's own helper image could not be pulled on this node; the user's images were not tried. Make the helper image reachable from the node.",
    permanent: false,
    words: [],
  },
  PullThrottled: {
    doc: "The kubelet's own pull limit (registryPullQPS) held the pull back; it is not a fault of the image and is tried again at once.",
    permanent: false,
    words: [/pull QPS exceeded/i],
  },
  InvalidReference: {
    doc: 'The text is not an image reference. Correct the spelling in the ImageCache.',
    permanent: true,
    words: [
      /(^|: )InvalidImageName: /,
      /couldn't parse image (name|reference)/i,
      /invalid reference format/i,
      /repository name must be lowercase/i,
    ],
  },
  TooManyImages: {
    doc: 'The ledger of a node has no room for the image: all caches together may put about 1 100 images on a node, of which the oldest caches keep theirs. Spread the images over groups of nodes by `nodeSelector`.',
    permanent: true,
    words: [],
  },
  NotAllowed: {
    doc: 'The `spec.jobTemplate` of the cache asks for something that the administrator does not allow authors of caches (`--job-template-allow`). Nothing is pulled for the cache before it is taken out of the template or allowed; what nodes hold stays.',
    permanent: true,
    words: [],
  },
  NoMatchingPlatform: {
    doc: 'The image exists, but not for the operating system and architecture of this node.',
    permanent: true,
    words: [
      /no match for platform/i,
      /no matching manifest/i,
      /no image found in (image index|manifest list) for architecture/i,
    ],
  },
  SignatureRejected: {
    doc: "The runtime's signature policy refused the image.",
    permanent: true,
    words: [/(^|: )SignatureValidationFailed: /, /signature validation failed/i, /rejected by policy/i],
  },
  RateLimited: {
    doc: 'The registry answered 429: too many requests. Tried again with a growing pause.',
    permanent: false,
    words: [/429 Too Many Requests/i, /toomanyrequests: /i, /rate limit/i],
  },
  Unauthorized: {
    doc: 'The registry refused the credentials, or wants some. Check `spec.imagePullSecrets`, then refresh the cache. Where the message ends in "no basic auth credentials", the kubelet found no such Secret: that is tried again by itself, with a growing pause.',
    permanent: true,
    words: [
      /\b40[13] (Unauthorized|Forbidden)/i,
      /no basic auth credentials/i,
      /authorization failed/i,
      /pull access denied/i,
      /insufficient_scope: /i,
      /unauthorized: /i,
      /denied: /i,
    ],
  },
  InsufficientDisk: {
    doc: 'The node has no room for the image.',
    permanent: false,
    words: [/no space left on device/i, /disk quota exceeded/i],
  },
  InvalidManifest: {
    doc: 'The registry answered with something that is not an image manifest (a login page, a broken file).',
    permanent: true,
    words: [
      /unexpected media type/i,
      /invalid desc /i,
      /invalid character/i,
      /manifest invalid/i,
      /unsupported manifest/i,
      /failed to verify/i,
      /digest mismatch/i,
      /unexpected commit digest/i,
    ],
  },
  RegistryUnavailable: {
    doc: 'The registry did not answer or answered with a server error. Tried again with a growing pause.',
    permanent: false,
    words: [
      /(^|: )RegistryUnavailable: /,
      /connection (refused|reset|timed out)/i,
      /no such host/i,
      /dial tcp/i,
      /i\/o timeout/i,
      /TLS handshake/i,
      /x509: /i,
      /tls: /i,
      /\b5\d\d (Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time-?out)/i,
      /unexpected status.*\b5\d\d\b/i,
      /context deadline exceeded/i,
      /code = (DeadlineExceeded|Unavailable)\b/,
      /timeout awaiting response headers/i,
      /Client\.Timeout/i,
      /server gave HTTP response to HTTPS client/i,
      /unexpected EOF/i,
      /: EOF\b/,
      /network is unreachable/i,
      /no route to host/i,
      /active(ly)? .*refused/i,
    ],
  },
  ImageNotFound: {
    doc: 'The registry has no such repository, tag or digest. Correct the reference, or push the image and refresh the cache.',
    permanent: true,
    words: [/: not found/i, /manifest unknown/i, /name unknown/i, /\b404 Not Found/i, /does not exist/i],
  },
  Timeout: {
    doc: 'The pull did not end within the deadline (`--image-pull-deadline-duration`, `spec.pullDeadline`). A late success corrects it.',
    permanent: false,
    words: [],
  },
  NodeRefused: {
    doc: 'The kubelet refused the pull pod (no room for pods or resources, disk pressure, a taint). Tried again with a growing pause per node.',
    permanent: false,
    words: [],
  },
  JobRefused: {
    doc: "The pull pod could not be created (quota, Pod Security, admission policy). The message holds the API server's words. Tried again with a growing pause per namespace.",
    permanent: false,
    words: [],
  },
  NodeUnavailable: {
    doc: 'The node went away while it pulled.',
    permanent: false,
    words: [],
  },
  RemovalFailed: {
    doc: "The image could not be removed from the node. The message holds the container runtime's words, or those of the Pod that asked it. Tried again with a growing pause.",
    permanent: false,
    words: [],
  },
  PullFailed: {
    doc: 'The pull failed with words that match no other reason; they are in the message. Tried again with a growing pause.',
    permanent: false,
    words: [],
  },
} as const satisfies Record<string, FailureReason>

/** Name of a failure reason. */
export type FailureReasonName = keyof typeof FAILURE_REASONS

/** True where another attempt without a change cannot help. Unknown names (an older or newer controller wrote them) are worth a retry. */
export function isPermanent(reason: string | undefined): boolean {
  return (
    reason !== undefined &&
    reason in FAILURE_REASONS &&
    FAILURE_REASONS[reason as FailureReasonName].permanent
  )
}

/**
 * The reason behind a kubelet's `state.waiting` (its reason and message joined). Words that nothing recognises are
 * `PullFailed`.
 */
export function classifyPullError(text: string): FailureReasonName {
  for (const [name, row] of Object.entries(FAILURE_REASONS)) {
    if (row.words.some(words => words.test(text))) return name as FailureReasonName
  }
  return 'PullFailed'
}
