import { createHash } from 'node:crypto'
import type { CacheList, ImageCache } from '../../api/image-cache.ts'
import type { PullPolicy } from '../../api/node-images.ts'
import { type Activity, activityOf } from './activity.ts'
import { InvalidReferenceError, isMoving, parseReference } from '../../oci/reference.ts'
import { type GuardedField, templateRefusal } from './job-template.ts'
import { isTimeZone, scheduleError } from './refresh-schedule.ts'

/** An image that a cache asks for. */
export interface WantedImage {
  readonly image: string
  readonly pullPolicy: PullPolicy
}

/** An image of the spec that no node is asked for, and why. */
export interface RejectedImage {
  readonly image: string
  readonly reason: 'InvalidReference' | 'TooManyImages' | 'NotAllowed'
  readonly message: string
}

/** One list of a cache, its images checked. */
export interface CompiledList {
  readonly list: CacheList
  readonly wanted: readonly WantedImage[]
  readonly refused: readonly RejectedImage[]
  /**
   * Tells the lists of a cache apart by the nodes that they are for, as in `NodeImages.spec.images[].lists`; absent where the cache has but
   * one.
   */
  readonly listHash?: string
  /** Labels that the cache's namespace asks of a node; absent where it asks for none. */
  readonly namespaceNodeSelector?: Readonly<Record<string, string>>
}

/** What the administrator sets for the caches of a namespace. */
export interface Bounds {
  /** Fields of `spec.jobTemplate` that authors may set; absent: none. */
  readonly allowed?: ReadonlySet<GuardedField>
  /** Labels that nodes must have for Pods of the namespace. */
  readonly namespaceNodeSelector?: Readonly<Record<string, string>> | undefined
}

const NONE: ReadonlySet<GuardedField> = new Set()

/** An ImageCache made ready for the plan: parsed once for each generation, not once for each node. */
export interface CompiledCache {
  readonly cache: ImageCache
  /** `namespace/name`. */
  readonly key: string
  /** Short hash of the UID, as in `NodeImages.spec.images[].owners`. */
  readonly owner: string
  /** Absent where the cache has no pull secrets. */
  readonly credential?: string
  readonly lists: readonly CompiledList[]
  /** When kube-fledged before 0.12 last did something for it, RFC 3339; absent where it is of this release. */
  readonly legacyFinishedAt?: string
  /** Why `spec.refresh.schedule` cannot be followed; absent where it can, or where there is none. */
  readonly scheduleProblem?: string
  /** All specImages of its lists, refused ones too. */
  readonly specImages: ReadonlySet<string>
  readonly activity: Activity
}

/** Eight characters of a hash: short enough for names, and no two of a cluster's few thousand UIDs are likely to meet. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}

/** Key of a cache among all namespaces: `namespace/name`. */
export function cacheKey(cache: ImageCache): string {
  return `${cache.metadata.namespace ?? ''}/${cache.metadata.name}`
}

/**
 * Names what images of this cache are pulled with: the namespace and a hash of its pull secrets' names. Two caches with
 * the same secrets share their results, and nobody shares the result of another namespace's secret.
 */
function credentialOf(cache: ImageCache): string | undefined {
  const names = pullSecretNames(cache)
  return names.length > 0 ? `${cache.metadata.namespace ?? ''}:${shortHash(names.join('\n'))}` : undefined
}

/** Names of the cache's pull secrets, without empty ones, sorted. */
export function pullSecretNames(cache: ImageCache): string[] {
  return (cache.spec.imagePullSecrets ?? []).flatMap(secret => (secret.name ? [secret.name] : [])).toSorted()
}

/** Checks and sorts what a cache asks for. Never fails, whatever the CRD lets in. */
export function compileCache(
  cache: ImageCache,
  defaultPolicy: PullPolicy,
  { allowed = NONE, namespaceNodeSelector }: Bounds = {},
): CompiledCache {
  const credential = credentialOf(cache)
  const legacyFinishedAt = lastOfOldRelease(cache)
  const policy = cache.spec.pullPolicy ?? defaultPolicy
  const refusal = templateRefusal(cache.spec.jobTemplate, allowed)
  const owner = shortHash(cache.metadata.uid ?? cacheKey(cache))
  const scheduleProblem = problemOf(cache.spec.refresh ?? {})
  const cacheLists = cache.spec.cacheSpec ?? []
  const listHashes = cacheLists.length > 1 ? cacheLists.map(list => listHashOf(list, owner)) : []
  return {
    cache,
    key: cacheKey(cache),
    owner,
    ...(credential !== undefined && { credential }),
    lists: refuseAll(bounded(cacheLists.map(list => compileList(list, policy))), refusal).map(
      (list, index) => ({
        ...list,
        ...(listHashes[index] !== undefined && { listHash: listHashes[index] }),
        ...(namespaceNodeSelector && { namespaceNodeSelector }),
      }),
    ),
    ...(legacyFinishedAt !== undefined && { legacyFinishedAt }),
    ...(scheduleProblem !== undefined && { scheduleProblem }),
    specImages: new Set(cacheLists.flatMap(list => list.images)),
    activity: activityOf(cache),
  }
}

function listHashOf({ nodeSelector, nodeAffinity, tolerations }: CacheList, owner: string): string {
  const labels = Object.entries(nodeSelector ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return shortHash(JSON.stringify([owner, labels, nodeAffinity, tolerations]))
}

/**
 * Whether the cache wants an image gone from a node that it wanted it on before: it is purged, or the image was taken out of its lists, or out
 * of the list that is for this node. Where a list was given to other nodes, or a node left it by its labels, what is there stays.
 *
 * @param lists listHashes of the lists that wanted the image
 */
export function hasLetGo(
  { activity, specImages, lists: current }: CompiledCache,
  { image, lists = [] }: { readonly image: string; readonly lists?: readonly string[] | undefined },
): boolean {
  if (activity !== 'active') return activity === 'purging'
  if (!specImages.has(image)) return true
  const same = current.filter(({ listHash }) => listHash !== undefined && lists.includes(listHash))
  return same.length > 0 && !same.some(({ list }) => list.images.includes(image))
}

function problemOf({ schedule, timeZone }: NonNullable<ImageCache['spec']['refresh']>): string | undefined {
  if (!schedule) return undefined
  if (!isTimeZone(timeZone)) return `there is no time zone ${JSON.stringify(timeZone)}`
  return scheduleError(schedule, timeZone)
}

/** Old releases wrote a status without `observedGeneration`. */
function lastOfOldRelease({ status = {} }: ImageCache): string | undefined {
  if (!status.status || status.observedGeneration !== undefined) return undefined
  return status.completionTime ?? status.startTime
}

/** Images of one cache: as many as a node's spec and ledger have room for (see `fit-object-size.ts`). */
const MAX_IMAGES = 1_100

/** Refuses the images beyond the bound, rather than letting them keep the nodes' ledgers from being written. */
function bounded(lists: readonly CompiledList[]): CompiledList[] {
  let left = MAX_IMAGES
  return lists.map(({ list, wanted, refused }) => {
    const kept = wanted.slice(0, left)
    left -= kept.length
    const message = `an image cache may have ${MAX_IMAGES} images; put the others into another one`
    const beyond = wanted
      .slice(kept.length)
      .map(({ image }) => ({ image, reason: 'TooManyImages' as const, message }))
    return { list, wanted: kept, refused: [...refused, ...beyond] }
  })
}

/** Pulls nothing on other terms than the author asked for: what is not allowed is refused in sight, not left out in silence. */
function refuseAll(lists: readonly CompiledList[], message: string | undefined): readonly CompiledList[] {
  if (message === undefined) return lists
  return lists.map(({ list, wanted, refused }) => {
    const all = wanted.map(({ image }) => ({ image, reason: 'NotAllowed' as const, message }))
    return { list, wanted: [], refused: [...refused, ...all] }
  })
}

function compileList(list: CacheList, policy: PullPolicy): CompiledList {
  const wanted: WantedImage[] = []
  const refused: RejectedImage[] = []
  for (const image of new Set(list.images)) {
    try {
      const reference = parseReference(image)
      // A digest names its content: there is nothing newer behind it.
      const always = reference.digest === undefined && (policy === 'Always' || isMoving(reference))
      wanted.push({ image, pullPolicy: always ? 'Always' : 'IfNotPresent' })
    } catch (error) {
      if (!(error instanceof InvalidReferenceError)) throw error
      refused.push({ image, reason: 'InvalidReference', message: error.message })
    }
  }
  return { list, wanted, refused }
}
