import { PURGE_ANNOTATION, PURGE_FINALIZER } from '../../api/constants.ts'
import type { ImageCache } from '../../api/image-cache.ts'
import { ACTION } from '../../api/messages.ts'

/**
 * What a cache asks of the nodes now.
 * - `active`: nodes hold its images.
 * - `suspended`, `deleted`: nothing. Images that nodes hold stay.
 * - `purging`: nodes remove its images. It is purged, or deleted with the policy Purge.
 */
export type Activity = 'active' | 'suspended' | 'deleted' | 'purging'

/** What a cache asks of the nodes now. */
export function activityOf(cache: ImageCache): Activity {
  if (cache.metadata.deletionTimestamp !== undefined) return isHeldForPurge(cache) ? 'purging' : 'deleted'
  if (cache.spec.suspend === true) return 'suspended'
  return isPurged(cache) ? 'purging' : 'active'
}

/** True where the purge annotation is set, with any value. */
export function wantsPurge(cache: ImageCache): boolean {
  return cache.metadata.annotations?.[PURGE_ANNOTATION] !== undefined
}

/**
 * Number of the purge that the cache asks for. A new number asks for every removal again.
 * -1: the purge of its deletion, which is asked for once.
 */
export function purgeRevision(cache: ImageCache): number {
  return cache.metadata.deletionTimestamp === undefined ? (cache.status?.purgeRevision ?? 0) : -1
}

/** True where the deletion of the cache waits until its images are removed. */
export function isHeldForPurge(cache: ImageCache): boolean {
  return cache.spec.deletionPolicy === 'Purge' && (cache.metadata.finalizers ?? []).includes(PURGE_FINALIZER)
}

/** A purged cache stays purged until its spec changes or a refresh begins. */
function isPurged(cache: ImageCache): boolean {
  const { reason, observedGeneration } = cache.status ?? {}
  if (reason !== ACTION.purge) return false
  const isSameSpec = observedGeneration === undefined || observedGeneration === cache.metadata.generation
  return isSameSpec || wantsPurge(cache)
}
