import type { Action } from './messages.ts'

/** Reasons of the events of an ImageCache: those of kube-fledged, which are the actions, and those of a deletion. */
export type EventReason = Action | 'Purged' | 'PurgeIncomplete'

/** What each of them tells: a closed table. */
export const EVENT_REASONS: Readonly<Record<EventReason, string>> = {
  ImageCacheCreate:
    'A new image cache was carried out, or failed (`Warning`); the message is that of its status.',
  ImageCacheUpdate: 'An edit was carried out, or failed.',
  ImageCacheRefresh: 'A refresh was carried out, or failed. One that finds nothing new makes no event.',
  ImageCachePurge: 'A purge was carried out, or failed.',
  Purged: 'A deleted image cache with `deletionPolicy: Purge` was purged and let go.',
  PurgeIncomplete:
    'Such a cache was let go though images of it are still on nodes: they stay for a reason, or are removed without being waited for. The message says which and why.',
}
