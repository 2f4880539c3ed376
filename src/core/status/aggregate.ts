import type { Failure, ImageCacheStatus, ImageStatus } from '../../api/image-cache.ts'
import type { NodeImages } from '../../api/node-images.ts'
import { PURGE_ANNOTATION, REFRESH_ANNOTATION } from '../../api/constants.ts'
import { ACTION, STATUS } from '../../api/messages.ts'
import { type CompiledCache, activityOf, wantsPurge } from '../demand/index.ts'
import type { NodeFacts } from '../node/index.ts'
import { begin, carryOn, newAction, wantsRefresh, isFullRefresh } from './action.ts'
import { conditions } from './conditions.ts'
import { type Observation, observe } from './observe.ts'

/** Greatest size of the lists of a status, in bytes. Every client reads the whole object. */
const FAILURES_BYTES = 32_768
const IMAGES_BYTES = 20_480
const KEPT_BYTES = 8_192
/** Nodes named as examples of a skip reason. */
const EXAMPLES = 3

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

/**
 * The status of a cache from the ledgers of its nodes. Pure.
 *
 * @param refreshFound a periodic refresh found something newer for nodes of this cache
 */
export function aggregate(
  cache: CompiledCache,
  nodes: Iterable<NodeFacts>,
  ledgerOf: (nodeName: string) => NodeImages | undefined,
  now: string,
  refreshFound = false,
): Aggregate {
  const object = cache.cache
  const action = newAction(object, refreshFound)
  const begun = action && begin(action, object, now)
  // An action that begins now is counted already: a cache whose purge begins wants no image.
  const counted = begun ? withStatus(cache, begun) : cache
  const observation = observe(counted, nodes, ledgerOf, action ? now : object.status?.startTime)
  const main = begun ?? carryOn(object, observation, now)
  const ended = main.completionTime !== undefined && main.completionTime !== object.status?.completionTime
  const wasRefresh = object.status?.reason === main.reason && object.status?.status === STATUS.processing
  // An annotation that is set during a periodic refresh has its turn next.
  const refreshDone = ended && wasRefresh && isFullRefresh(main)
  // A purge cancels a refresh that was asked for before: it would bring the images back.
  const refreshVoid = action === ACTION.purge
  const purgeDone = ended && main.reason === ACTION.purge
  return {
    status: {
      ...main,
      ...lists(observation, !!action),
      conditions: conditions(counted, observation, now),
    },
    annotationsDone: [
      ...(wantsRefresh(object) && (refreshDone || refreshVoid) ? [REFRESH_ANNOTATION] : []),
      ...(wantsPurge(object) && purgeDone ? [PURGE_ANNOTATION] : []),
    ],
    awaited: observation.awaited,
    ended,
  }
}

function withStatus(compiled: CompiledCache, status: ImageCacheStatus): CompiledCache {
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
      skipped: [...observation.skipped].map(([reason, names]) => ({
        reason,
        count: names.length,
        examples: names.toSorted().slice(0, EXAMPLES),
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
    .map(({ image, reason, message, nodes }) => ({
      image,
      reason,
      ...(message && { message }),
      count: nodes.length,
      examples: nodes.toSorted().slice(0, EXAMPLES),
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
