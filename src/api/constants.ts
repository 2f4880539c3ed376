/**
 * Names in API objects: group, labels, annotations, finalizer.
 * Users and monitoring select by them, so they never change.
 */

/** API group of `ImageCache` and `NodeImages`. */
export const GROUP = 'kubefledged.io'
/** The only served and stored version. */
export const VERSION = 'v1alpha2'
/** `apiVersion` of `ImageCache` and `NodeImages`. */
export const API_VERSION = `${GROUP}/${VERSION}`

/**
 * Annotation that requests a refresh of all images of the cache. Any value counts.
 * Removed when the refresh is done.
 */
export const REFRESH_ANNOTATION = 'kubefledged.io/refresh-imagecache'
/**
 * Annotation that requests the removal of the cache's images from the nodes. Any value counts.
 * Removed when done.
 */
export const PURGE_ANNOTATION = 'kubefledged.io/purge-imagecache'

/** Finalizer of a cache whose `deletionPolicy` is `Purge`. Removed when the nodes have removed its images. */
export const PURGE_FINALIZER = 'kubefledged.io/purge'

/** Labels of every pull Job and its Pod. `CACHE_LABEL` is added to them. */
export const JOB_LABELS = {
  app: 'kubefledged',
  kubefledged: 'kubefledged-image-manager',
  controller: 'fledged',
} as const
/** Selects all pull Jobs and their Pods. */
export const JOB_SELECTOR = 'app=kubefledged,kubefledged=kubefledged-image-manager'
/** Label with the cache's name. A name of more than 63 characters is shortened and gets a hash. */
export const CACHE_LABEL = 'imagecache'
/** Annotations of a pull Job. */
export const JOB_ANNOTATIONS = {
  /** Full `namespace/name` of the cache. */
  cache: 'kubefledged.io/imagecache',
  /** UID of the Job's Node object. */
  nodeUid: 'kubefledged.io/node-uid',
  /** How the Job makes the kubelet pull: a `JobMethod`. */
  method: 'kubefledged.io/pull-method',
  /** Credential of the pulls: `DesiredImage.credential`. */
  credential: 'kubefledged.io/credential',
  /** Revision of the newest request that the Job answers. */
  revision: 'kubefledged.io/revision',
  /** Time of creation, RFC 3339 with fractions of a second. `creationTimestamp` has none. */
  startedAt: 'kubefledged.io/started-at',
  /** The images that the Job pulls, one per line. */
  images: 'kubefledged.io/images',
} as const

/** Labels of every removal Job and its Pod. These Jobs are in the controller's own namespace. */
export const REMOVAL_LABELS = {
  app: 'kubefledged',
  kubefledged: 'kubefledged-image-remover',
  controller: 'fledged',
} as const
/** Selects all removal Jobs and their Pods. */
export const REMOVAL_SELECTOR = 'app=kubefledged,kubefledged=kubefledged-image-remover'
/** Annotations of a removal Job. `request` is an annotation of its Pod. */
export const REMOVAL_ANNOTATIONS = {
  /** UID of the Job's Node object. */
  nodeUid: 'kubefledged.io/node-uid',
  /** Revision of the newest request that the Job answers. */
  revision: 'kubefledged.io/revision',
  /** Ledger keys of the images that the Job removes, one per line, in the order of the request. */
  keys: 'kubefledged.io/images',
  /** The images to remove and to keep, as JSON. The Pod reads it through the downward API. */
  request: 'kubefledged.io/purge-request',
} as const

/** Label of a node whose value goes into `status.failures[].node`. */
export const HOSTNAME_LABEL = 'kubernetes.io/hostname'
