import type { Failure, ImageCache, ImageCacheStatus, ImageStatus } from '../../api/image-cache.ts'
import { PURGE_ANNOTATION, REFRESH_ANNOTATION } from '../../api/constants.ts'
import { ACTION, STATUS } from '../../api/messages.ts'
import { type CompiledCache, activityOf } from '../demand/index.ts'
import {
  type ActionStatus,
  begin,
  carryOn,
  newAction,
  servesPurge,
  servesRefresh,
  wantsRefresh,
} from './action.ts'
import { conditions } from './conditions.ts'
import type { Observation } from './observation.ts'

/** Greatest size of the lists of a status, in bytes. Every client reads the whole object. */
const FAILURES_BYTES = 32_768
const IMAGES_BYTES = 20_480
const KEPT_BYTES = 8_192

/** The new status of a cache, and what follows from it. */
export interface Aggregate {
  readonly status: ImageCacheStatus
  /** Annotations that are carried out. They are removed before the status is written. */
  readonly annotationsDone: readonly string[]
  /** How many images on nodes the action still waits for. */
  readonly awaited: number
  /** The action ended just now. An event tells so. */
  readonly ended: boolean
}

/** What a cache does now: it begins an action, or goes on with the one that it has. */
export interface Turn {
  /** The cache as its nodes are counted: a cache whose purge begins wants no image. */
  readonly cache: CompiledCache
  /** The cache as the API server has it. */
  readonly object: ImageCache
  /** When its action began, RFC 3339. The action does not wait for younger nodes. */
  readonly startTime: string | undefined
  /** The status of the action that begins now. */
  readonly begun: ActionStatus | undefined
}

/**
 * What a cache does now. Pure.
 *
 * @param now RFC 3339
 * @param refreshFound a periodic refresh found something newer for nodes of this cache
 */
export function turnOf(cache: CompiledCache, now: string, refreshFound = false): Turn {
  const object = cache.cache
  const action = newAction(object, now, refreshFound)
  const begun = action && begin(action, object, now)
  return {
    cache: begun ? withStatus(cache, begun) : cache,
    object,
    startTime: begun ? now : object.status?.startTime,
    begun,
  }
}

/** The status of a cache from what its nodes say. Pure. */
export function aggregate({ cache, object, begun }: Turn, observation: Observation, now: string): Aggregate {
  const main = begun ?? carryOn(object, observation, now)
  const ended = main.completionTime !== undefined && main.completionTime !== object.status?.completionTime
  const isSameAction = object.status?.reason === main.reason && object.status?.status === STATUS.processing
  // A purge cancels a refresh that was asked for before: it would bring the images back.
  const isRefreshVoid = begun?.reason === ACTION.purge
  const isRefreshServed = ended && isSameAction && servesRefresh(main, object)
  return {
    status: {
      ...main,
      ...lists(observation, begun !== undefined),
      conditions: conditions(cache, observation, now),
    },
    annotationsDone: [
      ...(wantsRefresh(object) && (isRefreshServed || isRefreshVoid) ? [REFRESH_ANNOTATION] : []),
      ...(ended && servesPurge(main, object) ? [PURGE_ANNOTATION] : []),
    ],
    awaited: observation.awaited,
    ended,
  }
}

function withStatus(compiled: CompiledCache, status: ActionStatus): CompiledCache {
  const cache = { ...compiled.cache, status: { ...compiled.cache.status, ...status } }
  return { ...compiled, cache, activity: activityOf(cache) }
}

/** All counts and lists. An action that begins shows no failures of the action before. */
function lists(observation: Observation, begins: boolean): Partial<ImageCacheStatus> {
  const { nodes, images } = observation
  const failures = begins ? { listed: {}, more: 0 } : boundedFailures(observation)
  const shown = boundedImages(images)
  const present = images.filter(image => image.desired > 0 && image.present === image.desired).length
  const desired = images.filter(image => image.desired > 0).length
  return {
    ...(Object.keys(failures.listed).length > 0 && { failures: failures.listed }),
    ...(failures.more > 0 && { moreFailures: failures.more }),
    nodes: {
      desired: nodes.desired,
      ready: nodes.ready,
      ...(nodes.skipped > 0 && { skipped: nodes.skipped }),
    },
    ...(observation.skipped.size > 0 && {
      skipped: [...observation.skipped].map(([reason, { count, examples }]) => ({
        reason,
        count,
        examples: [...examples],
      })),
    }),
    ...(!begins && kept(observation)),
    images: shown,
    ...(shown.length < images.length && { moreImages: images.length - shown.length }),
    summary: { images: `${present}/${desired}`, nodes: `${nodes.ready}/${nodes.desired}` },
  }
}

function boundedFailures({ failures }: Observation): { listed: Record<string, Failure[]>; more: number } {
  const listed = new Map<string, Failure[]>()
  let bytes = 0
  let more = 0
  for (const [image, { listed: candidates, total }] of failures) {
    const kept: Failure[] = []
    for (const failure of candidates) {
      const size =
        Buffer.byteLength(JSON.stringify(failure)) + (kept.length === 0 ? Buffer.byteLength(image) : 0)
      if (bytes + size > FAILURES_BYTES) break
      bytes += size
      kept.push(failure)
    }
    if (kept.length > 0) listed.set(image, kept)
    more += total - kept.length
  }
  return { listed: Object.fromEntries(listed), more }
}

function kept({ kept: all }: Observation): Pick<ImageCacheStatus, 'kept' | 'moreKept'> {
  let bytes = 0
  const listed = all
    .map(({ image, reason, message, count, examples }) => ({
      image,
      reason,
      ...(message && { message }),
      count,
      examples: [...examples],
    }))
    .filter(entry => {
      bytes += Buffer.byteLength(JSON.stringify(entry))
      return bytes <= KEPT_BYTES
    })
  return {
    ...(listed.length > 0 && { kept: listed }),
    ...(listed.length < all.length && { moreKept: all.length - listed.length }),
  }
}

function boundedImages(images: readonly ImageStatus[]): ImageStatus[] {
  let bytes = 0
  return images.filter(image => {
    bytes += Buffer.byteLength(JSON.stringify(image))
    return bytes <= IMAGES_BYTES
  })
}
