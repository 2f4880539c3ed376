import { PURGE_ANNOTATION, REFRESH_ANNOTATION } from '../../api/constants.ts'
import type { ImageCache, ImageCacheStatus } from '../../api/image-cache.ts'
import { ACTION, type Action, MESSAGE, PROGRESS_MESSAGE, STATUS } from '../../api/messages.ts'
import { isHeldForPurge, shortHash, wantsPurge } from '../demand/index.ts'
import type { Observation } from './observation.ts'

/** The fields of the status that change with actions only. Old clients read these. */
export type ActionStatus = Pick<
  ImageCacheStatus,
  | 'status'
  | 'reason'
  | 'message'
  | 'startTime'
  | 'completionTime'
  | 'observedGeneration'
  | 'refreshRevision'
  | 'refreshAnnotation'
  | 'purgeRevision'
  | 'purgeAnnotation'
>

/**
 * Shortest time between the beginnings of two refreshes of a cache by annotation, in milliseconds.
 * A refresh may write the ledger of every node. A request that comes sooner waits.
 */
const REFRESH_INTERVAL_MS = 10_000

/**
 * The action that begins now, if any: a create, an edit, a refresh or a purge. A purge ends a running action.
 *
 * @param now RFC 3339
 * @param refreshFound a periodic refresh found something newer for nodes of this cache
 */
export function newAction(cache: ImageCache, now: string, refreshFound: boolean): Action | undefined {
  const status = cache.status ?? {}
  const isPurging = status.reason === ACTION.purge && status.status === STATUS.processing
  if (cache.metadata.deletionTimestamp) {
    const isAsked = isHeldForPurge(cache) && status.reason !== ACTION.purge
    return isAsked ? ACTION.purge : undefined
  }
  if (cache.spec.suspend) return undefined
  if (wantsPurge(cache))
    return isPurging && status.observedGeneration !== undefined ? undefined : ACTION.purge
  if (!status.status) return ACTION.create
  if (status.observedGeneration === undefined) return adopt(status)
  if (status.observedGeneration !== cache.metadata.generation) return ACTION.update
  if (status.status === STATUS.processing) return undefined
  // A periodic refresh that ends during a purge must not bring images back.
  const isFound = refreshFound && status.reason !== ACTION.purge
  return isFound || (wantsRefresh(cache) && refreshWaitMs(cache, now) === 0) ? ACTION.refresh : undefined
}

/** How long a refresh by annotation waits because the last one began just before, in milliseconds. */
export function refreshWaitMs(cache: ImageCache, now: string): number {
  const { status = {} } = cache
  if (!wantsRefresh(cache) || !isFullRefresh(status)) return 0
  const wait = Date.parse(status.startTime ?? '') + REFRESH_INTERVAL_MS - Date.parse(now)
  // A clock that was ahead does not make it wait for longer.
  return wait > 0 ? Math.min(wait, REFRESH_INTERVAL_MS) : 0
}

/** True where the refresh annotation is set, with any value. */
export function wantsRefresh(cache: ImageCache): boolean {
  return cache.metadata.annotations?.[REFRESH_ANNOTATION] !== undefined
}

/**
 * A status of a release without `observedGeneration`: a finished action stays finished, an interrupted one
 * goes on.
 */
function adopt(status: ImageCacheStatus): Action | undefined {
  if (status.status !== STATUS.processing && status.status !== STATUS.aborted) return undefined
  if (status.reason === ACTION.purge) return ACTION.purge
  return status.reason === ACTION.create ? ACTION.create : ACTION.update
}

/** The status at the beginning of an action. */
export function begin(action: Action, cache: ImageCache, now: string): ActionStatus {
  const { refreshRevision = 0, purgeRevision = 0 } = cache.status ?? {}
  // The annotation asks for every image again. A periodic refresh has asked for newer images only.
  const isFull = action === ACTION.refresh && wantsRefresh(cache)
  const refresh = refreshRevision + (isFull ? 1 : 0)
  const purge = purgeRevision + (action === ACTION.purge ? 1 : 0)
  return {
    status: STATUS.processing,
    reason: action,
    message: PROGRESS_MESSAGE[action],
    startTime: now,
    ...observed(cache),
    ...(refresh > 0 && { refreshRevision: refresh }),
    ...(isFull && { refreshAnnotation: hashOf(cache, REFRESH_ANNOTATION) }),
    ...(purge > 0 && { purgeRevision: purge }),
    ...(action === ACTION.purge && wantsPurge(cache) && { purgeAnnotation: hashOf(cache, PURGE_ANNOTATION) }),
  }
}

/** Short hash of the value of an annotation. */
function hashOf(cache: ImageCache, annotation: string): string {
  return shortHash(cache.metadata.annotations?.[annotation] ?? '')
}

/** True where the refresh that runs, or has just ended, was asked for by annotation. */
function isFullRefresh({ reason, refreshAnnotation }: ActionStatus): boolean {
  return reason === ACTION.refresh && refreshAnnotation !== undefined
}

/**
 * True where the refresh answers the annotation that the cache has now. An annotation that was set again
 * meanwhile, with another value, is a new request.
 */
export function servesRefresh(action: ActionStatus, cache: ImageCache): boolean {
  return isFullRefresh(action) && action.refreshAnnotation === hashOf(cache, REFRESH_ANNOTATION)
}

/** True where the purge answers the annotation that the cache has now. */
export function servesPurge({ reason, purgeAnnotation }: ActionStatus, cache: ImageCache): boolean {
  if (reason !== ACTION.purge || !wantsPurge(cache)) return false
  // A purge that an older build began has no hash.
  return purgeAnnotation === undefined || purgeAnnotation === hashOf(cache, PURGE_ANNOTATION)
}

/** The status of an action that goes on or is over. A late success corrects a failure. */
export function carryOn(cache: ImageCache, observation: Observation, now: string): ActionStatus {
  const { status, reason, message, startTime, completionTime } = cache.status ?? {}
  const { refreshRevision, refreshAnnotation, purgeRevision, purgeAnnotation } = cache.status ?? {}
  const old: ActionStatus = {
    ...(status !== undefined && { status }),
    ...(reason !== undefined && { reason }),
    ...(message !== undefined && { message }),
    ...(startTime !== undefined && { startTime }),
    ...(completionTime !== undefined && { completionTime }),
    ...(refreshRevision !== undefined && { refreshRevision }),
    ...(refreshAnnotation !== undefined && { refreshAnnotation }),
    ...(purgeRevision !== undefined && { purgeRevision }),
    ...(purgeAnnotation !== undefined && { purgeAnnotation }),
    ...observed(cache),
  }
  const isDeleting = cache.metadata.deletionTimestamp !== undefined
  if (cache.spec.suspend && !isDeleting) return suspended(old, now)
  if (status === STATUS.processing) {
    return observation.awaited > 0 ? old : { ...old, ...outcome(observation, reason), completionTime: now }
  }
  // The last image that was in use has gone since.
  const isAllGone = observation.kept.length === 0 && observation.failures.size === 0
  if (old.message === MESSAGE.deletedSome && isAllGone) return { ...old, message: MESSAGE.deleted }
  const late = status === STATUS.failed || status === STATUS.nothingDone
  const isAbout = observation.wanted > 0 || reason === ACTION.purge
  const isWhole = isAbout && observation.unsettled === 0 && observation.failures.size === 0
  return late && isWhole ? { ...old, ...outcome(observation, reason), completionTime: now } : old
}

function suspended(old: ActionStatus, now: string): ActionStatus {
  if (old.status !== undefined && old.status !== STATUS.processing) return old
  return {
    reason: ACTION.create,
    startTime: now,
    ...old,
    status: STATUS.aborted,
    message: MESSAGE.suspended,
    completionTime: now,
  }
}

function outcome(observation: Observation, reason: string | undefined): { status: string; message: string } {
  if (observation.failures.size > 0) {
    const isPull = observation.failedPulls > 0
    return { status: STATUS.failed, message: isPull ? MESSAGE.pullFailed : MESSAGE.deleteFailed }
  }
  if (reason === ACTION.purge && observation.matched > 0) {
    const message = observation.kept.length > 0 ? MESSAGE.deletedSome : MESSAGE.deleted
    return { status: STATUS.succeeded, message }
  }
  if (observation.wanted > 0) return { status: STATUS.succeeded, message: MESSAGE.pulled }
  if (observation.matched === 0) return { status: STATUS.nothingDone, message: MESSAGE.nothingDone }
  return {
    status: STATUS.nothingDone,
    message: observation.nodes.desired > 0 ? MESSAGE.noImages : MESSAGE.allSkipped,
  }
}

function observed(cache: ImageCache): Pick<ImageCacheStatus, 'observedGeneration'> {
  return cache.metadata.generation === undefined ? {} : { observedGeneration: cache.metadata.generation }
}
