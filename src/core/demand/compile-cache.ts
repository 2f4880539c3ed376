import { createHash } from 'node:crypto'
import type { CacheList, ImageCache } from '../../api/image-cache.ts'
import type { PullPolicy } from '../../api/node-images.ts'
import { type Activity, activityOf } from './activity.ts'
import { InvalidReferenceError, isMoving, parseReference } from '../../oci/reference.ts'
import { type GuardedField, templateRefusal } from './job-template.ts'
import { TOO_MANY_LISTS, nodeSelections, selectionText } from './node-selections.ts'
import { isTimeZone, scheduleError } from './refresh-schedule.ts'

/** An image that a cache asks for. */
export interface WantedImage {
  readonly image: string
  readonly pullPolicy: PullPolicy
}

/** An image of the spec that no node is asked to hold, and why. */
export interface RejectedImage {
  readonly image: string
  readonly reason: 'InvalidReference' | 'TooManyImages' | 'TooManyLists' | 'NotAllowed'
  readonly message: string
}

/** The images of a cache for one selection of nodes, checked. */
export interface CompiledList {
  readonly list: CacheList
  /** The images of the list as they are written, refused ones too. */
  readonly images: ReadonlySet<string>
  readonly wanted: readonly WantedImage[]
  readonly refused: readonly RejectedImage[]
  /**
   * Hash of the node selection of the list, as in `NodeImages.spec.images[].lists`. It tells the lists of a
   * cache apart.
   * Absent where the cache has one list.
   */
  readonly listHash?: string
  /** Labels that the namespace of the cache requires of a node. Absent: none. */
  readonly namespaceNodeSelector?: Readonly<Record<string, string>>
}

/** What the administrator sets for the caches of a namespace. */
export interface Bounds {
  /** Fields of `spec.jobTemplate` that authors may set. Absent: none. */
  readonly allowed?: ReadonlySet<GuardedField>
  /** Labels that the namespace requires of a node. */
  readonly namespaceNodeSelector?: Readonly<Record<string, string>> | undefined
}

const NONE: ReadonlySet<GuardedField> = new Set()

/**
 * An ImageCache that is parsed and checked. This is done once for each generation, not once for each node.
 */
export interface CompiledCache {
  readonly cache: ImageCache
  /** `namespace/name`. */
  readonly key: string
  /** Short hash of the UID, as in `NodeImages.spec.images[].owners`. */
  readonly owner: string
  /** Absent where the cache has no pull secrets. */
  readonly credential?: string
  /** One list for each selection of nodes. */
  readonly lists: readonly CompiledList[]
  /** Number of labels, expressions, values and tolerations of its lists. */
  readonly conditions: number
  /** When kube-fledged before 0.12 finished its last action, RFC 3339. Absent for caches of this release. */
  readonly legacyFinishedAt?: string
  /** Why `spec.refresh.schedule` cannot be followed. Absent where it can, or where there is none. */
  readonly scheduleProblem?: string
  /** All images of its lists as they are written, refused ones too. */
  readonly specImages: ReadonlySet<string>
  readonly activity: Activity
}

/** Eight characters of a hash: short enough for names. Two of a few thousand UIDs are unlikely to collide. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}

/** Key of a cache among all namespaces: `namespace/name`. */
export function cacheKey(cache: ImageCache): string {
  return `${cache.metadata.namespace ?? ''}/${cache.metadata.name}`
}

/**
 * Names the credential of the images of this cache: the namespace and a hash of the names of its pull
 * secrets.
 * Two caches with the same secrets share results. Caches of different namespaces never share a result of a
 * secret.
 */
function credentialOf(cache: ImageCache): string | undefined {
  const names = pullSecretNames(cache)
  return names.length > 0 ? `${cache.metadata.namespace ?? ''}:${shortHash(names.join('\n'))}` : undefined
}

/** The namespace of the secrets that a credential names. */
export function namespaceOfCredential(credential: string): string {
  return credential.slice(0, Math.max(0, credential.lastIndexOf(':')))
}

/** Names of the pull secrets of the cache, sorted. Empty names are left out. */
export function pullSecretNames(cache: ImageCache): string[] {
  return (cache.spec.imagePullSecrets ?? []).flatMap(secret => (secret.name ? [secret.name] : [])).toSorted()
}

/** Parses and checks an ImageCache. Never throws: the CRD admits more than this function accepts. */
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
  const { lists: selections, beyond, conditions } = nodeSelections(cache.spec.cacheSpec ?? [])
  const checked = refuseAll(bounded(selections.map(list => compileList(list, policy))), refusal)
  const lists = beyond.length > 0 ? [...checked, refusedList(beyond, TOO_MANY_LISTS)] : checked
  return {
    cache,
    key: cacheKey(cache),
    owner,
    ...(credential !== undefined && { credential }),
    lists: lists.map(list => ({
      ...list,
      ...(lists.length > 1 && { listHash: listHashOf(list.list, owner) }),
      ...(namespaceNodeSelector && { namespaceNodeSelector }),
    })),
    conditions,
    ...(legacyFinishedAt !== undefined && { legacyFinishedAt }),
    ...(scheduleProblem !== undefined && { scheduleProblem }),
    specImages: new Set(lists.flatMap(({ images }) => [...images])),
    activity: activityOf(cache),
  }
}

function listHashOf(list: CacheList, owner: string): string {
  return shortHash(`${owner} ${selectionText(list)}`)
}

/** Images that no node is asked to hold, as a list for every node: each node keeps those that it has. */
export function refusedList(images: readonly string[], message: string): CompiledList {
  const all = new Set(images)
  const refused = [...all].map(image => ({ image, reason: 'TooManyLists' as const, message }))
  return { list: { images: [...all] }, images: all, wanted: [], refused }
}

/**
 * True where the cache wants an image removed from a node that it wanted it on before: it is purged, or the
 * image was taken out of its lists, or out of the list for this node.
 * An image stays where the list was given to other nodes, or where the labels of the node changed.
 *
 * @param lists hashes of the lists that wanted the image
 */
export function hasLetGo(
  { activity, specImages, lists: current }: CompiledCache,
  { image, lists = [] }: { readonly image: string; readonly lists?: Iterable<string> | undefined },
): boolean {
  if (activity !== 'active') return activity === 'purging'
  if (!specImages.has(image)) return true
  const hashes = new Set(lists)
  const same = current.filter(({ listHash }) => listHash !== undefined && hashes.has(listHash))
  return same.length > 0 && !same.some(({ images }) => images.has(image))
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

/**
 * Greatest number of images of one cache: as many as the NodeImages of a node has room for
 * (`fit-object-size.ts`).
 */
const MAX_IMAGES = 1_700

/**
 * Refuses the images beyond the limit. Without a limit, the NodeImages of nodes would be too large to be
 * written.
 */
function bounded(lists: readonly CompiledList[]): CompiledList[] {
  let left = MAX_IMAGES
  return lists.map(({ wanted, refused, ...list }) => {
    const kept = wanted.slice(0, left)
    left -= kept.length
    const message = `an image cache may have ${MAX_IMAGES} images; put the others into another one`
    const beyond = wanted
      .slice(kept.length)
      .map(({ image }) => ({ image, reason: 'TooManyImages' as const, message }))
    return { ...list, wanted: kept, refused: [...refused, ...beyond] }
  })
}

/**
 * Refuses all images where the template is not allowed. The author sees the reason, and nothing is pulled
 * without it.
 */
function refuseAll(lists: readonly CompiledList[], message: string | undefined): readonly CompiledList[] {
  if (message === undefined) return lists
  return lists.map(({ wanted, refused, ...list }) => {
    const all = wanted.map(({ image }) => ({ image, reason: 'NotAllowed' as const, message }))
    return { ...list, wanted: [], refused: [...refused, ...all] }
  })
}

function compileList(list: CacheList, policy: PullPolicy): CompiledList {
  const wanted: WantedImage[] = []
  const refused: RejectedImage[] = []
  const images = new Set(list.images)
  for (const image of images) {
    try {
      const reference = parseReference(image)
      // The content behind a digest never changes.
      const always = reference.digest === undefined && (policy === 'Always' || isMoving(reference))
      wanted.push({ image, pullPolicy: always ? 'Always' : 'IfNotPresent' })
    } catch (error) {
      if (!(error instanceof InvalidReferenceError)) throw error
      refused.push({ image, reason: 'InvalidReference', message: error.message })
    }
  }
  return { list, images, wanted, refused }
}
