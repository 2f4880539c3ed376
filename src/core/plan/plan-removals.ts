import {
  type DesiredImage,
  type LedgerEntry,
  type PlanOwner,
  type Removal,
  entryKey,
} from '../../api/node-images.ts'
import { inTurn } from '../../base/in-turn.ts'
import { imageName } from '../../oci/reference.ts'
import { type CompiledCache, hasLetGo } from '../demand/index.ts'
import { byKey, isHeld, isRemovalAnswered } from '../ledger/index.ts'
import type { NodeFacts } from '../node/index.ts'
import { cacheIndex } from './cache-index.ts'
import { namespaceIn, newRequests } from './owners.ts'
import { namesOf, wantingLists } from './wanted-names.ts'

/** Greatest number of removals of one node. Each namespace has its share; its newest ones wait. */
const MAX_REMOVALS = 1_000

/** What the removals of one node are planned from. */
export interface RemovalsInput {
  readonly node: NodeFacts
  readonly caches: readonly CompiledCache[]
  /** What caches want on the node now, and `spec.images` as it stood before. */
  readonly desired: readonly Pick<DesiredImage, 'image' | 'credential' | 'owners'>[]
  readonly existing: readonly DesiredImage[]
  readonly owners: Readonly<Record<string, PlanOwner>>
  /** `spec.remove` as it stood before. A removal stays asked for until it is answered. */
  readonly removals: readonly Removal[]
  readonly ledger: readonly LedgerEntry[]
  /** Number of the requests that this plan makes. */
  readonly nextRevision: number
}

/**
 * The images that are to be removed from a node, sorted by key: images of caches that are purged, and
 * images that were taken out of the lists of a cache, or out of the list for this node.
 * An image that another cache wants, or that was there before the operator, is named with the reason why it
 * stays.
 * Images of a cache that was deleted, is suspended or selects the node no longer are not named: they stay.
 */
export function planRemovals(input: RemovalsInput): Removal[] {
  const caches = cacheIndex(input.caches).byOwner
  const entries = byKey(input.ledger)
  const candidates = removalCandidates(input).flatMap(candidate => {
    const { old, image, owners, lists } = candidate
    const entry = entries.get(entryKey(candidate))
    const isOpen = old !== undefined && (!isRemovalAnswered(old, entry) || isHeld(entry))
    const leavers = [...owners].filter(owner => {
      const cache = caches.get(owner)
      // Nobody waits for the answer any more, but the request still stands.
      if (!isThere(cache)) return isOpen && old.owners.includes(owner)
      return hasLetGo(cache, { image, lists })
    })
    return leavers.length > 0 ? [{ ...candidate, leavers }] : []
  })
  if (candidates.length === 0) return []
  const wanters = wantersOf(new Set(candidates.map(({ image }) => imageName(image))), input)
  const removals = candidates.flatMap(({ image, credential, leavers: all, old }): Removal[] => {
    const wanting = wanters.get(imageName(image)) ?? new Set()
    const entry = entries.get(entryKey({ image, credential }))
    // An owner that lists the image under another name still wants it. An owner that is gone needs no word
    // that it stays.
    const isToldOf = (owner: string) => wanting.size === 0 || isThere(caches.get(owner))
    const leavers = all.filter(owner => !wanting.has(owner) && isToldOf(owner)).toSorted()
    const isNew = old === undefined || leavers.some(owner => asksAgain(owner, caches, input.owners))
    // Nothing is left to remove, however often it is asked for.
    const isDone =
      old !== undefined &&
      entry?.removal?.state === 'Removed' &&
      isRemovalAnswered({ ...old, stays: undefined }, entry)
    if (leavers.length === 0 || isDone) return []
    const stays = (isNew ? undefined : old.stays) ?? keptReason(wanting.size > 0, entry)
    return [
      {
        image,
        ...(credential !== undefined && { credential }),
        owners: leavers,
        revision: isNew ? input.nextRevision : old.revision,
        ...(stays !== undefined && { stays }),
      },
    ]
  })
  const namespaceOf = (owner: string) => namespaceIn(caches.get(owner)?.key ?? input.owners[owner]?.cache)
  return withinBounds(removals, namespaceOf).toSorted((a, b) => (entryKey(a) < entryKey(b) ? -1 : 1))
}

interface Candidate {
  readonly image: string
  readonly credential: string | undefined
  /** Caches that want it or wanted it last, without those that want it now. */
  readonly owners: Set<string>
  /** Hashes of the lists that want it or wanted it last. */
  readonly lists: Set<string>
  readonly old: Removal | undefined
}

/** Every image of the node that a cache may have let go of. */
function removalCandidates({ existing, removals, ledger, desired }: RemovalsInput): Candidate[] {
  const before = byKey(removals)
  const found = new Map<string, Candidate>()
  const onNode = ledger.filter(entry => entry.removal?.state !== 'Removed')
  for (const from of [...existing, ...onNode, ...removals]) {
    const key = entryKey(from)
    const { image, credential } = from
    const candidate = found.get(key) ?? {
      image,
      credential,
      owners: new Set(),
      lists: new Set(),
      old: before.get(key),
    }
    for (const owner of from.owners ?? []) candidate.owners.add(owner)
    for (const listHash of ('lists' in from && from.lists) || []) candidate.lists.add(listHash)
    found.set(key, candidate)
  }
  for (const image of desired) {
    for (const owner of image.owners) found.get(entryKey(image))?.owners.delete(owner)
  }
  return [...found.values()]
}

/** The caches that want an image on the node, for each of these names. */
function wantersOf(names: ReadonlySet<string>, { node, caches }: RemovalsInput): Map<string, Set<string>> {
  const wanters = new Map<string, Set<string>>()
  for (const { owner, list } of wantingLists(node, caches)) {
    const { all } = namesOf(list)
    for (const name of names) {
      if (all.has(name)) wanters.set(name, (wanters.get(name) ?? new Set()).add(owner))
    }
  }
  return wanters
}

function isThere(cache: CompiledCache | undefined): cache is CompiledCache {
  return cache !== undefined && cache.activity !== 'deleted'
}

/** The cache is purged once more: what was answered before is asked again. */
function asksAgain(
  owner: string,
  caches: ReadonlyMap<string, CompiledCache>,
  owners: Readonly<Record<string, PlanOwner>>,
): boolean {
  const cache = caches.get(owner)
  return cache?.activity === 'purging' && newRequests(cache, owners[owner]).purge
}

function keptReason(isWanted: boolean, entry: LedgerEntry | undefined): Removal['stays'] {
  if (isWanted) return 'WantedByOthers'
  return entry?.pulledByUs === false ? 'NotOurs' : undefined
}

/**
 * The removals that the plan has room for. Each namespace has its turn, with its oldest removals first.
 */
function withinBounds(removals: Removal[], namespaceOf: (owner: string) => string): Removal[] {
  if (removals.length <= MAX_REMOVALS) return removals
  const byAge = removals.toSorted((a, b) => a.revision - b.revision || (entryKey(a) < entryKey(b) ? -1 : 1))
  return inTurn(byAge, ({ owners }) => namespaceOf(owners[0] ?? '')).slice(0, MAX_REMOVALS)
}
