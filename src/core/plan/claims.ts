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
  /**
   * Hashes of the lists that have the image, for a cache with several lists. The first ones, if there are
   * many.
   */
  readonly lists: readonly string[]
}

/** What caches want on a node. */
export interface Claims {
  /** The oldest cache first. */
  readonly claims: readonly Claim[]
  /** Caches that get none of their images. */
  readonly crowdedOut: readonly CompiledCache[]
}

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
  for (const selected of cacheIndex(caches).selecting(node)) {
    if (selected.cache.activity !== 'active') continue
    if (selected.isCrowdedOut) crowdedOut.push(selected.cache)
    else for (const claim of claimsOfCache(selected, hadClaim)) claims.push(claim)
  }
  return { claims, crowdedOut }
}

function claimsOfCache(
  { cache, lists }: SelectedCache,
  hadClaim: (key: string, owner: string) => boolean,
): Claim[] {
  const claims = new Map<string, Claim & { readonly lists: string[] }>()
  for (const { list, selection } of lists) {
    // A cache may not use the node: it holds no image there, and keeps none of others.
    if (selection.kind === 'skipped' && selection.reason === 'NamespaceNodeSelector') continue
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
