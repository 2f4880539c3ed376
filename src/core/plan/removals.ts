import { hasFailed } from '../../api/failure-reasons.ts'
import { REMOVED, isKeptReason } from '../../api/kept-reasons.ts'
import { type DesiredImage, type LedgerEntry, type Removal, entryKey } from '../../api/node-images.ts'
import { normalizedName, tryParseReference } from '../../oci/reference.ts'
import { leavingSince } from '../demand/index.ts'
import { type CompiledCache, hasLetGo } from '../demand/index.ts'
import type { NodeFacts } from '../node/index.ts'
import { select } from './plan.ts'

/** Most removals of one node: a request to a node takes as many. Those that were asked for last wait. */
const MAX_REMOVALS = 1_000

/** What the removals of one node are planned from. */
export interface RemovalInput {
  readonly node: NodeFacts
  readonly caches: readonly CompiledCache[]
  /** `spec.images` as planned now, and as it stood before. */
  readonly desired: readonly DesiredImage[]
  readonly existing: readonly DesiredImage[]
  /** `spec.remove` as it stood before: what was asked for stays asked for until it is answered. */
  readonly removals: readonly Removal[]
  readonly ledger: readonly LedgerEntry[]
  /** RFC 3339. */
  readonly now: string
}

/**
 * The images that shall go from a node, sorted by key: those of caches that are purged, and those that were taken out of a
 * cache's lists, or out of the list for this node. An image that others want, or that was there before, is named with why it stays. Images of a cache that
 * was deleted, is suspended or does not select the node any more stay without a word.
 */
export function planRemovals(input: RemovalInput): Removal[] {
  const caches = new Map(input.caches.map(cache => [cache.owner, cache]))
  const entries = new Map(input.ledger.map(entry => [entryKey(entry), entry]))
  const leaving = candidates(input).flatMap(candidate => {
    const { old, image, owners, lists } = candidate
    const isOpen = old !== undefined && !isAnswered(old, entries.get(entryKey(candidate)))
    const leavers = [...owners].filter(owner => {
      const cache = caches.get(owner)
      // Nobody waits for the answer any more, but what was asked for is still to be done.
      if (!isThere(cache)) return isOpen && old.owners.includes(owner)
      return hasLetGo(cache, { image, lists: [...lists] })
    })
    return leavers.length > 0 ? [{ ...candidate, leavers }] : []
  })
  if (leaving.length === 0) return []
  const wanters = wantersOf(input)
  const removals = leaving.flatMap(({ image, credential, leavers: all, old }): Removal[] => {
    const wanting = wanters.get(nameOf(image)) ?? new Set()
    const entry = entries.get(entryKey({ image, credential }))
    // Who has it in his lists by another name has not let go of it; for who is gone, nobody needs to be told that it stays.
    const isToldOf = (owner: string) => wanting.size === 0 || isThere(caches.get(owner))
    const leavers = all.filter(owner => !wanting.has(owner) && isToldOf(owner)).toSorted()
    const requestedAt = latest([
      old?.requestedAt ?? input.now,
      ...leavers.map(owner => requestTime(caches.get(owner))),
    ])
    const isNew = old?.requestedAt !== requestedAt
    if (leavers.length === 0 || (!isNew && entry?.reason === REMOVED)) return []
    const stays = (isNew ? undefined : old.stays) ?? keptReason(wanting.size > 0, entry)
    return [
      {
        image,
        ...(credential !== undefined && { credential }),
        owners: leavers,
        requestedAt,
        ...(stays !== undefined && { stays }),
      },
    ]
  })
  return bounded(removals).toSorted((a, b) => (entryKey(a) < entryKey(b) ? -1 : 1))
}

/** True where the ledger, or the plan itself, has said what became of a removal. A failure is tried again all the same. */
export function isAnswered(removal: Removal, entry: LedgerEntry | undefined): boolean {
  if (removal.stays !== undefined) return true
  if (entry === undefined || !(Date.parse(entry.requestedAt ?? '') >= Date.parse(removal.requestedAt))) {
    return false
  }
  if (entry.state === 'Pending') return entry.reason === REMOVED
  return entry.state === 'Present' && (isKeptReason(entry.reason) || hasFailed(entry))
}

/** All references that caches want on a node, be there work for it now or not: these stay, whatever is removed. */
export function keptReferences(node: NodeFacts, caches: readonly CompiledCache[]): string[] {
  return [...new Set([...wantedReferences(node, caches)].map(({ image }) => image))]
}

interface Candidate {
  readonly image: string
  readonly credential: string | undefined
  /** Caches that want it or wanted it last, without those that want it now. */
  readonly owners: Set<string>
  /** Marks of the lists that want it or wanted it last. */
  readonly lists: Set<string>
  readonly old: Removal | undefined
}

/** Everything on the node that a cache may have let go of. */
function candidates({ existing, removals, ledger, desired }: RemovalInput): Candidate[] {
  const before = new Map(removals.map(removal => [entryKey(removal), removal]))
  const found = new Map<string, Candidate>()
  const onNode = ledger.filter(entry => entry.reason !== REMOVED)
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

function* wantedReferences(
  node: NodeFacts,
  caches: readonly CompiledCache[],
): Generator<{ owner: string; image: string }> {
  for (const { activity, lists, owner } of caches) {
    if (activity !== 'active' && activity !== 'suspended') continue
    for (const list of lists) {
      if (select(node, list).kind === 'unselected') continue
      // Of what is refused nothing is pulled, but what is there stays.
      for (const { image } of [...list.wanted, ...list.refused]) yield { owner, image }
    }
  }
}

/** The caches that want an image on the node, by its normalised name: `nginx` is `docker.io/library/nginx:latest`. */
function wantersOf({ node, caches }: RemovalInput): Map<string, Set<string>> {
  const wanters = new Map<string, Set<string>>()
  for (const { owner, image } of wantedReferences(node, caches)) {
    const name = nameOf(image)
    wanters.set(name, (wanters.get(name) ?? new Set()).add(owner))
  }
  return wanters
}

function isThere(cache: CompiledCache | undefined): cache is CompiledCache {
  return cache !== undefined && cache.activity !== 'deleted'
}

function requestTime(cache: CompiledCache | undefined): string | undefined {
  return cache?.activity === 'purging' ? leavingSince(cache.cache) : undefined
}

function keptReason(isWanted: boolean, entry: LedgerEntry | undefined): Removal['stays'] {
  if (isWanted) return 'WantedByOthers'
  return entry?.pulledByUs === false ? 'NotOurs' : undefined
}

function bounded(removals: Removal[]): Removal[] {
  if (removals.length <= MAX_REMOVALS) return removals
  const byTime = removals.toSorted((a, b) => Date.parse(a.requestedAt) - Date.parse(b.requestedAt))
  return byTime.slice(0, MAX_REMOVALS)
}

function latest(times: readonly (string | undefined)[]): string {
  const known = times.filter(time => time !== undefined)
  return known.reduce((newest, time) => (Date.parse(time) > Date.parse(newest) ? time : newest))
}

function nameOf(image: string): string {
  const reference = tryParseReference(image)
  return reference ? normalizedName(reference) : image
}
