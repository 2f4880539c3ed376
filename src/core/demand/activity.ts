import { PURGE_ANNOTATION, PURGE_FINALIZER } from '../../api/constants.ts'
import type { ImageCache } from '../../api/image-cache.ts'
import { ACTION } from '../../api/messages.ts'

/**
 * What a cache wants of the nodes now:
 * - `active`: that they hold its images
 * - `suspended`, `deleted`: nothing; what they hold stays
 * - `leaving`: that its images go, because it is purged, or deleted with the policy Purge
 */
export type Activity = 'active' | 'suspended' | 'deleted' | 'purging'

/** What a cache wants of the nodes now. */
export function activityOf(cache: ImageCache): Activity {
  if (cache.metadata.deletionTimestamp !== undefined) return isHeldForPurge(cache) ? 'purging' : 'deleted'
  if (cache.spec.suspend === true) return 'suspended'
  return isPurged(cache) ? 'purging' : 'active'
}

/** The annotation is there, with any value. */
export function wantsPurge(cache: ImageCache): boolean {
  return cache.metadata.annotations?.[PURGE_ANNOTATION] !== undefined
}

/** When the removal was asked for, RFC 3339: what was answered before is answered again. */
export function leavingSince(cache: ImageCache): string | undefined {
  return cache.metadata.deletionTimestamp ?? cache.status?.startTime
}

/** Its deletion waits for its images to go. */
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
