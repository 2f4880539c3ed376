/**
 * Values of `ImageCache.status` that clients compare. Their spelling is that of kube-fledged, with its
 * mistakes.
 */

/** Values of `status.status`. */
export const STATUS = {
  processing: 'Processing',
  succeeded: 'Succeeded',
  failed: 'Failed',
  unknown: 'Unknown',
  aborted: 'Aborted',
  nothingDone: 'NoImagesPulledOrDeleted',
} as const

/** Values of `status.reason`: the action that the status describes. */
export const ACTION = {
  create: 'ImageCacheCreate',
  update: 'ImageCacheUpdate',
  refresh: 'ImageCacheRefresh',
  purge: 'ImageCachePurge',
} as const
/** One of the actions. */
export type Action = (typeof ACTION)[keyof typeof ACTION]

/** Values of `status.message`. */
export const MESSAGE = {
  creating: 'Images are being pulled on to the nodes. Please view the status after some time',
  updating: 'Image cache is being updated. Please view the status after some time',
  refreshing: 'Image cache is being refreshed. Please view the status after some time',
  purging: 'Image cache is being purged. Please view the status after some time',
  pulled: 'All requested images pulled succesfully to respective nodes',
  deleted: 'All cached images succesfully deleted from respective nodes',
  deletedSome:
    'Cached images that nothing else needs succesfully deleted from respective nodes. Please see "kept" section for the others',
  pullFailed: 'Image pull failed for some images. Please see "failures" section',
  deleteFailed: 'Image deletion failed for some images. Please see "failures" section',
  nothingDone: 'No images were pulled or deleted because nodeSelector specified did not match any nodes',
  noImages: 'No images were pulled or deleted because the image lists for the matching nodes are empty',
  allSkipped:
    'No images were pulled or deleted because no matching node can take work now. Please see "skipped" section',
  suspended: 'Image cache is suspended',
} as const

/** The message while an action runs. */
export const PROGRESS_MESSAGE: Record<Action, string> = {
  ImageCacheCreate: MESSAGE.creating,
  ImageCacheUpdate: MESSAGE.updating,
  ImageCacheRefresh: MESSAGE.refreshing,
  ImageCachePurge: MESSAGE.purging,
}
