import { type DesiredImage, type PullPolicy, entryKey } from '../../api/node-images.ts'
import type { CompiledCache } from '../demand/index.ts'
import type { NodeFacts } from '../node/index.ts'
import { type SelectedCache, cacheIndex } from './cache-index.ts'

/** One cache wants one image on a node. */
export interface Claim {
  readonly cache: CompiledCache
  readonly image: string
  /** Of the image and the credential of the cache, as `entryKey` makes it. */
  readonly key: string
  readonly pullPolicy: PullPolicy
  /** Hashes of the lists that have the image, for a cache with several lists. The first ones, if there are many. */
  readonly lists: readonly string[]
}

/** What caches want on a node. */
export interface Claims {
  /** The oldest cache first. */
  readonly claims: readonly Claim[]
  /** Caches with images that were not looked at. */
  readonly crowdedOut: readonly CompiledCache[]
}

/**
 * With so many claims on one node, a namespace gets no more of its caches looked at: it bounds the time that a
 * plan takes.
 */
const MAX_CLAIMS = 10_000
/** Greatest number of list hashes of one claim: these are written into the object of each node. */
const MAX_LISTS = 8

/**
 * The claims of all active caches on a node.
 * A node that gets no work for a while (cordoned, not ready) keeps the claims that it had.
 *
 * @param existing `spec.images` as it stands
 */
export function claimsOf(
  node: NodeFacts,
  caches: readonly CompiledCache[],
  existing: readonly DesiredImage[],
): Claims {
  const hadClaim = claimLookup(existing)
  const claims: Claim[] = []
  const crowdedOut: CompiledCache[] = []
  const counts = new Map<string, number>()
  for (const selected of cacheIndex(caches).selecting(node)) {
    const { cache } = selected
    if (cache.activity !== 'active') continue
    const namespace = cache.cache.metadata.namespace ?? ''
    const count = counts.get(namespace) ?? 0
    if (count >= MAX_CLAIMS) {
      crowdedOut.push(cache)
      continue
    }
    const own = claimsOfCache(selected, hadClaim)
    counts.set(namespace, count + own.length)
    for (const claim of own) claims.push(claim)
  }
  return { claims, crowdedOut }
}

function claimsOfCache(
  { cache, lists }: SelectedCache,
  hadClaim: (key: string, owner: string) => boolean,
): Claim[] {
  const claims = new Map<string, Claim & { readonly lists: string[] }>()
  for (const { list, selection } of lists) {
    for (const { image, pullPolicy } of list.wanted) {
      const key = entryKey({ image, credential: cache.credential })
      if (selection.kind === 'skipped' && !hadClaim(key, cache.owner)) continue
      const claim = claims.get(key) ?? { cache, image, key, pullPolicy, lists: [] }
      claims.set(key, claim)
      if (list.listHash !== undefined && claim.lists.length < MAX_LISTS) claim.lists.push(list.listHash)
    }
  }
  return [...claims.values()]
}

/** Whether a cache had a claim on an image before. The answer is made ready at the first question. */
function claimLookup(existing: readonly DesiredImage[]): (key: string, owner: string) => boolean {
  let owners: Map<string, ReadonlySet<string>> | undefined
  return (key, owner) => {
    owners ??= new Map(existing.map(image => [entryKey(image), new Set(image.owners)]))
    return owners.get(key)?.has(owner) === true
  }
}
