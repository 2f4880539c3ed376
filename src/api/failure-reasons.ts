/**
 * Closed table of the reasons why an image is not on a node. Each row has the texts of the kubelet, the
 * runtime or the registry that identify it, and says whether a retry without a change can help.
 */

/** One row of the table. */
export interface FailureReason {
  /** Meaning and remedy, for the documentation. */
  readonly doc: string
  /**
   * True if it does not keep the cache in `Processing`. It is tried again after a refresh or an edit, and when
   * the healer calls for it, once per refresh period.
   */
  readonly permanent: boolean
  /** Texts that identify it; the first row that matches wins. */
  readonly words: readonly RegExp[]
}

/** All failure reasons, in the order in which they are matched. */
export const FAILURE_REASONS = {
  HelperImageUnavailable: {
    doc: "The operator's own helper image could not be pulled on this node; the user's images were not tried. Make the helper image reachable from the node. Where its registry wants credentials, the message ends with the namespace and the Secrets that are missing or wrong there: see [troubleshooting](troubleshooting.md#helperimageunavailable).",
    permanent: false,
    words: [],
  },
  PullThrottled: {
    doc: "The kubelet's own pull limit (`registryPullQPS`) delayed the pull. The image is not at fault. Retried at once.",
    permanent: false,
    words: [/pull QPS exceeded/i],
  },
  InvalidReference: {
    doc: 'The text is not a valid image reference. Correct it in the ImageCache.',
    permanent: true,
    words: [
      /(^|: )InvalidImageName: /,
      /couldn't parse image (name|reference)/i,
      /invalid reference format/i,
      /repository name must be lowercase/i,
    ],
  },
  TooManyImages: {
    doc: 'The ledger of the node has no room for the image. All caches together may put about 1 700 images on a node. Namespaces share this room equally; within a namespace the oldest caches come first. Spread the images over groups of nodes by `nodeSelector`.',
    permanent: true,
    words: [],
  },
  TooManyLists: {
    doc: 'The cache, or its namespace, has more lists than nodes can be compared with. A cache may have 200 lists for different nodes, a namespace 1 000. Join lists for the same nodes, or spread the lists over more caches or namespaces. Images that nodes already hold stay.',
    permanent: true,
    words: [],
  },
  NotAllowed: {
    doc: '`spec.jobTemplate` of the cache sets a field that the administrator does not allow authors of caches to set, or a label or an annotation that is reserved. Remove it; an administrator can allow a field with `--job-template-allow`. Until then nothing is pulled for the cache; images that nodes already hold stay.',
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
    doc: "The container runtime's signature policy refused the image.",
    permanent: true,
    words: [/(^|: )SignatureValidationFailed: /, /signature validation failed/i, /rejected by policy/i],
  },
  RateLimited: {
    doc: 'The registry answered 429: too many requests. Retried with growing pauses.',
    permanent: false,
    words: [/429 Too Many Requests/i, /toomanyrequests: /i, /rate limit/i],
  },
  Unauthorized: {
    doc: 'The registry refused the credentials, or requires credentials. Check `spec.imagePullSecrets`. If the message ends with "no basic auth credentials", the kubelet found no such Secret; that case is retried without a change, with growing pauses.',
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
    doc: 'The node has not enough disk space for the image.',
    permanent: false,
    words: [/no space left on device/i, /disk quota exceeded/i],
  },
  NodeStoreFailed: {
    doc: "The node's own image store failed: it has lost a layer or a snapshot, or it cannot unpack one. The reference is not at fault. Retried with growing pauses. If it stays, remove the image on the node (`crictl rmi`) or restart the container runtime.",
    permanent: false,
    words: [
      /snapshot \S+ (does not exist|not found)/i,
      /failed to (prepare extraction|stat|get|mount) snapshot/i,
      /content digest sha256:\w+: not found/i,
      /error unpacking image/i,
      /blob not found in content store/i,
      /(layer|diff ID) not known/i,
      /locating item named .* for image with ID/i,
    ],
  },
  LayerMissing: {
    doc: 'The registry has the manifest of the image but not one of its layers: an upload is not complete, or a clean-up removed the layer. Retried with growing pauses. If it stays, push the image again.',
    permanent: false,
    words: [
      /content at \S+\/blobs\/\S+ not found/i,
      /\/blobs\/\S*: (404 Not Found|not found)/i,
      /blob unknown/i,
      /failed to copy: .*not found/i,
    ],
  },
  InvalidManifest: {
    doc: 'The response of the registry is not an image manifest (for example a login page or a corrupt file).',
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
    doc: 'The registry did not answer, or answered with a server error. Retried with growing pauses.',
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
    doc: 'The registry has no such repository, tag or digest. Correct the reference, or push the image.',
    permanent: true,
    words: [/: not found/i, /manifest unknown/i, /name unknown/i, /\b404 Not Found/i, /does not exist/i],
  },
  Timeout: {
    doc: 'The pull did not finish within the deadline (`--image-pull-deadline-duration`, `spec.pullDeadline`). A late success corrects the status.',
    permanent: false,
    words: [],
  },
  NodeRefused: {
    doc: 'The kubelet refused the pull Pod (Pod limit, resources, disk pressure, a taint). Retried with growing pauses per node.',
    permanent: false,
    words: [],
  },
  JobRefused: {
    doc: "The pull Pod could not be created (quota, Pod Security, admission policy). The message is the API server's. Retried with growing pauses per namespace.",
    permanent: false,
    words: [],
  },
  PodNotMade: {
    doc: 'The Job exists, but kube-controller-manager made no Pod for it in 10 minutes and gave no reason. Check that it runs and is not overloaded. Retried with growing pauses.',
    permanent: false,
    words: [],
  },
  NodeUnavailable: {
    doc: 'The node became unavailable during the pull.',
    permanent: false,
    words: [],
  },
  RemovalFailed: {
    doc: 'The image could not be removed from the node. The message is that of the container runtime, or of the Pod that called it. Retried with growing pauses.',
    permanent: false,
    words: [],
  },
  PullFailed: {
    doc: 'The pull failed with a message that matches no other reason. Retried with growing pauses.',
    permanent: false,
    words: [],
  },
} as const satisfies Record<string, FailureReason>

/** Name of a failure reason. */
export type FailureReasonName = keyof typeof FAILURE_REASONS

/**
 * True if a retry without a change cannot help. An unknown name was written by an older or newer controller
 * and is worth a retry.
 */
export function isPermanent(reason: string | undefined): boolean {
  return (
    reason !== undefined &&
    reason in FAILURE_REASONS &&
    FAILURE_REASONS[reason as FailureReasonName].permanent
  )
}

/** The reason for a kubelet's `state.waiting` (reason and message joined); `PullFailed` if no row matches. */
export function classifyPullError(text: string): FailureReasonName {
  for (const [name, row] of Object.entries(FAILURE_REASONS)) {
    if (row.words.some(words => words.test(text))) return name as FailureReasonName
  }
  return 'PullFailed'
}
