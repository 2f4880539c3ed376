import type { Action } from './messages.ts'

/** Reasons of an ImageCache's events: the actions, as in kube-fledged, and the results of a deletion. */
export type EventReason = Action | 'Purged' | 'PurgeIncomplete'

/** Closed table of their meanings. */
export const EVENT_REASONS: Readonly<Record<EventReason, string>> = {
  ImageCacheCreate:
    'A new image cache was completed, or failed (`Warning`). The message is that of its status.',
  ImageCacheUpdate: 'An edit was completed, or failed.',
  ImageCacheRefresh: 'A refresh was completed, or failed. A refresh that finds nothing new creates no event.',
  ImageCachePurge: 'A purge was completed, or failed.',
  Purged: 'A deleted image cache with `deletionPolicy: Purge` was purged, and its finalizer was removed.',
  PurgeIncomplete:
    'The finalizer of such a cache was removed although images of it are still on nodes. They stay for a reason, or are removed later. The message says which and why.',
}
