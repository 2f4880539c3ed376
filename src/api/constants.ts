/** Names on the wire: groups, labels, annotations. Users and monitors select on these; they never change. */

/** API group of `ImageCache` and `NodeImages`. */
export const GROUP = 'kubefledged.io'
/** The only served and stored version. */
export const VERSION = 'v1alpha2'
/** `apiVersion` of our objects. */
export const API_VERSION = `${GROUP}/${VERSION}`

/** Any value asks for a re-check of every image of the cache; removed when that is done. */
export const REFRESH_ANNOTATION = 'kubefledged.io/refresh-imagecache'
/** Any value asks for the removal of the cache's images from the nodes; removed when that is done. */
export const PURGE_ANNOTATION = 'kubefledged.io/purge-imagecache'

/** Finalizer of a cache whose `deletionPolicy` is `Purge`: it goes when its images have. */
export const PURGE_FINALIZER = 'kubefledged.io/purge'

/** Labels of every Job and Pod that pulls for a cache; `imagecache` is added with the (shortened) cache name. */
export const JOB_LABELS = {
  app: 'kubefledged',
  kubefledged: 'kubefledged-image-manager',
  controller: 'fledged',
} as const
/** Selects every Job and Pod of ours. */
export const JOB_SELECTOR = 'app=kubefledged,kubefledged=kubefledged-image-manager'
/** Label with the cache's name, shortened with a hash where it exceeds 63 characters. */
export const CACHE_LABEL = 'imagecache'
/** Annotations of a pull Job: what a label could not hold. */
export const JOB_ANNOTATIONS = {
  /** Full `namespace/name` of the cache. */
  cache: 'kubefledged.io/imagecache',
  /** UID of the Node object that the Job was made for. */
  nodeUid: 'kubefledged.io/node-uid',
  /** How the Job makes the kubelet pull: see `JobMethod`. */
  method: 'kubefledged.io/pull-method',
  /** What it pulls with: `DesiredImage.credential`. */
  credential: 'kubefledged.io/credential',
  /** Revision of the newest request that it answers. */
  revision: 'kubefledged.io/revision',
  /** When it was made, RFC 3339 with fractions, which creation times have not. */
  startedAt: 'kubefledged.io/started-at',
  /** The images that it pulls, one a line. */
  images: 'kubefledged.io/images',
} as const

/** Labels of every Job and Pod that removes images from a node; they are in the controller's own namespace. */
export const REMOVAL_LABELS = {
  app: 'kubefledged',
  kubefledged: 'kubefledged-image-remover',
  controller: 'fledged',
} as const
/** Selects them. */
export const REMOVAL_SELECTOR = 'app=kubefledged,kubefledged=kubefledged-image-remover'
/** Annotations of a removal Job; the request itself is an annotation of its Pod. */
export const REMOVAL_ANNOTATIONS = {
  /** UID of the Node object that the Job was made for. */
  nodeUid: 'kubefledged.io/node-uid',
  /** Revision of the newest request that it answers. */
  revision: 'kubefledged.io/revision',
  /** Keys of the ledger entries that it answers for, one a line, in the order of the request. */
  keys: 'kubefledged.io/images',
  /** What is to be removed, as JSON: read by the Pod through the downward API. */
  request: 'kubefledged.io/purge-request',
} as const

/** Label of a node whose value goes into `status.failures[].node`. */
export const HOSTNAME_LABEL = 'kubernetes.io/hostname'
