import type { Failure } from '../../api/image-cache.ts'
import { type DesiredImage, type LedgerEntry, type NodeImages, entryKey } from '../../api/node-images.ts'
import type { SkipReason } from '../../api/skip-reasons.ts'
import type { CompiledCache } from '../demand/index.ts'
import { type NodeFacts, hostnameOf } from '../node/index.ts'
import { failureFor, findEntry, hasPullFailed, isPresent, isPullAnswered } from '../ledger/index.ts'
import { newRequests, select } from '../plan/index.ts'
import { type KeptImage, countRemovals } from './observe-removals.ts'

/** What a node has of one image that a cache names. */
export interface ImageOnNode {
  readonly image: string
  readonly isDesired: boolean
  readonly isPresent: boolean
  readonly isPulling: boolean
  /** Absent where it is not known. */
  readonly digest?: string | undefined
}

/** A failure of one image on a node. */
export interface FailureOnNode {
  readonly image: string
  readonly failure: Failure
  /** True for a pull, false for a removal. */
  readonly isPull: boolean
}

/** What one node and its ledger say about one cache. */
export interface NodeCount {
  /** A selector of the cache matches the node. */
  readonly isMatched: boolean
  /** Why a matched node gets no work now. */
  readonly skipped?: SkipReason
  /** The node is to hold images of the cache now. */
  readonly isDesired: boolean
  /** It holds all of them. */
  readonly isReady: boolean
  /** Images that it is to hold. */
  readonly wanted: number
  /** Images whose pull or removal has no answer yet. */
  readonly unsettled: number
  readonly images: readonly ImageOnNode[]
  readonly failures: readonly FailureOnNode[]
  /** Images that were to be removed and stay. */
  readonly kept: readonly KeptImage[]
}

const NOTHING: NodeCount = {
  isMatched: false,
  isDesired: false,
  isReady: false,
  wanted: 0,
  unsettled: 0,
  images: [],
  failures: [],
  kept: [],
}

const NO_ROOM =
  'the ledger of the node has room for about 1 700 images. Namespaces share it, and older image caches come first'

/** Counts one node for one cache. Pure: the same objects give the same count. */
export function countNode(
  cache: CompiledCache,
  node: NodeFacts,
  nodeImages: NodeImages | undefined,
): NodeCount {
  const isOwn = nodeImages?.metadata.ownerReferences?.some(owner => owner.uid === node.metadata.uid)
  const own = isOwn ? nodeImages : undefined
  const removals = countRemovals(cache, node, own)
  const failures = removals.failures.map(failure => ({ ...failure, isPull: false }))
  const common = { ...NOTHING, unsettled: removals.open, failures, kept: removals.kept }
  if (cache.activity === 'purging') return countPurging(cache, node, own, common)
  const { wanted, refused, skipped, isDesired } = selectedImages(cache, node)
  if (!isDesired) {
    if (skipped) return { ...common, isMatched: true, skipped }
    return removals.open + failures.length + removals.kept.length === 0 ? NOTHING : common
  }
  const images: ImageOnNode[] = []
  const pulls = countWanted(cache, node, own, wanted)
  images.push(...pulls.images)
  for (const [image, { reason, message }] of refused) {
    pulls.failures.push(failureOf(node, image, reason, message))
    if (!wanted.has(image)) images.push({ image, isDesired: true, isPresent: false, isPulling: false })
  }
  return {
    ...common,
    isMatched: true,
    isDesired: true,
    isReady: pulls.missing === 0 && refused.size === 0,
    wanted: wanted.size,
    unsettled: removals.open + pulls.open,
    images,
    failures: [...failures, ...pulls.failures],
  }
}

/** The images that a node is to hold, and those that no node is asked to hold. */
function selectedImages(cache: CompiledCache, node: NodeFacts) {
  const wanted = new Set<string>()
  const refused = new Map<string, { readonly reason: string; readonly message: string }>()
  let skipped: SkipReason | undefined
  let isDesired = false
  for (const list of cache.lists) {
    const selection = select(node, list)
    if (selection.kind === 'skipped') skipped ??= selection.reason
    if (selection.kind !== 'desired') continue
    isDesired = true
    for (const { image } of list.wanted) wanted.add(image)
    for (const { image, reason, message } of list.refused) refused.set(image, { reason, message })
  }
  return { wanted, refused, skipped, isDesired }
}

/** A cache that is purged wants no image. Images that are still there are counted. */
function countPurging(
  cache: CompiledCache,
  node: NodeFacts,
  nodeImages: NodeImages | undefined,
  common: NodeCount,
): NodeCount {
  const images = (nodeImages?.status?.images ?? []).flatMap(entry =>
    isPresent(entry) && entry.credential === cache.credential && cache.specImages.has(entry.image)
      ? [{ image: entry.image, isDesired: false, isPresent: true, isPulling: false }]
      : [],
  )
  const isMatched = cache.lists.some(list => select(node, list).kind !== 'unselected')
  return { ...common, isMatched, images }
}

function countWanted(
  cache: CompiledCache,
  node: NodeFacts,
  nodeImages: NodeImages | undefined,
  wanted: ReadonlySet<string>,
) {
  const { images: spec = [], crowdedOut, owners } = nodeImages?.spec ?? {}
  const ledger = nodeImages?.status?.images ?? []
  const isCrowdedOut = crowdedOut?.includes(cache.owner) === true
  const { refresh, edit } = newRequests(cache, owners?.[cache.owner])
  const images: ImageOnNode[] = []
  const failures: FailureOnNode[] = []
  let open = 0
  let missing = 0
  for (const image of wanted) {
    const key = entryKey({ image, credential: cache.credential })
    const desired = findEntry(spec, key)
    if (isCrowdedOut && desired?.owners.includes(cache.owner) !== true) {
      missing += 1
      images.push({ image, isDesired: true, isPresent: false, isPulling: false })
      failures.push(failureOf(node, image, 'TooManyImages', NO_ROOM))
      continue
    }
    const entry = findEntry(ledger, key)
    const isThere = isPresent(entry)
    images.push({
      image,
      isDesired: true,
      isPresent: isThere,
      isPulling: entry?.attempt?.state === 'Pulling',
      ...(isThere && { digest: entry?.presence?.digest }),
    })
    if (!isThere) missing += 1
    const failure = failureFor(entry, cache.owner)
    if (failure) failures.push(failureOf(node, image, failure.reason, failure.message ?? ''))
    // False where the plan of the node does not follow the newest request yet. An edit asks again for
    // failed images.
    const isPlanned = !refresh && !(edit && hasPullFailed(entry))
    if (!isPlanned || !isSettled(cache, desired, entry)) open += 1
  }
  return { images, failures, open, missing }
}

function isSettled(
  { owner }: CompiledCache,
  desired: DesiredImage | undefined,
  entry: LedgerEntry | undefined,
): boolean {
  return desired?.owners.includes(owner) === true && isPullAnswered(entry, desired, owner)
}

/** A failed pull. */
function failureOf(
  node: NodeFacts,
  image: string,
  reason: string | undefined,
  message: string,
): FailureOnNode {
  return {
    image,
    failure: { node: hostnameOf(node), reason: reason ?? 'PullFailed', message },
    isPull: true,
  }
}
