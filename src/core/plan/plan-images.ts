import { type DesiredImage, type LedgerEntry, type PlanOwner, entryKey } from '../../api/node-images.ts'
import { type CompiledCache, pullSecretNames } from '../demand/index.ts'
import { byKey, hasPullFailed } from '../ledger/index.ts'
import type { NodeFacts } from '../node/index.ts'
import { type TagAnswers, applyAnswers } from './answers.ts'
import { type NewRequests, newRequests } from './owners.ts'
import { type Selection, select } from './select.ts'

/** What the images of one node are planned from. */
export interface ImagesInput extends TagAnswers {
  readonly node: NodeFacts
  readonly caches: readonly CompiledCache[]
  /** `spec.images` and `spec.owners` as they stand. */
  readonly existing: readonly DesiredImage[]
  readonly owners: Readonly<Record<string, PlanOwner>>
  readonly ledger: readonly LedgerEntry[]
  /** Number of the requests that this plan makes. */
  readonly nextRevision: number
}

type Skipped = Extract<Selection, { kind: 'skipped' }>

interface WantedImage {
  readonly desired: DesiredImage
  /** A request of one of its caches asks for it again. */
  readonly isAskedAgain: boolean
}

/**
 * The images that a node is to hold, sorted by key.
 * A node that gets no work for a while (cordoned, not ready) keeps the images that it was asked for before
 * and that are still wanted, so that nothing is asked for twice.
 */
export function planImages(input: ImagesInput): DesiredImage[] {
  const before = byKey(input.existing)
  const entries = byKey(input.ledger)
  const wanted = new Map<string, WantedImage>()
  for (const cache of input.caches.filter(isActive).toSorted(byAge)) {
    const requests = newRequests(cache, input.owners[cache.owner])
    for (const list of cache.lists) {
      const selection = select(input.node, list)
      if (selection.kind === 'unselected') continue
      for (const { image, pullPolicy } of list.wanted) {
        const key = entryKey({ image, credential: cache.credential })
        const old = before.get(key)
        if (selection.kind === 'skipped' && !mayKeep(selection, old, cache.owner)) continue
        const known = wanted.get(key)
        const desired = known?.desired ?? fresh(cache, image, old?.revision ?? input.nextRevision)
        wanted.set(key, {
          desired: merge(desired, cache, list.listHash, pullPolicy),
          isAskedAgain: known?.isAskedAgain === true || asksAgain(requests, entries.get(key)),
        })
      }
    }
  }
  return [...wanted]
    .map(([key, image]) => withRevision(input, image, before.get(key), entries.get(key), key))
    .toSorted((a, b) => (entryKey(a) < entryKey(b) ? -1 : 1))
}

/**
 * Keys of the images that the node may have work for now. A cordoned node keeps its requests and gets no
 * work.
 */
export function startableKeys(node: NodeFacts, caches: readonly CompiledCache[]): Set<string> {
  const keys = new Set<string>()
  for (const cache of caches.filter(isActive)) {
    for (const list of cache.lists.filter(candidate => select(node, candidate).kind === 'desired')) {
      for (const { image } of list.wanted) keys.add(entryKey({ image, credential: cache.credential }))
    }
  }
  return keys
}

/** The oldest cache first. Its Job pulls what several caches want. */
export function byAge(a: CompiledCache, b: CompiledCache): number {
  const age = (cache: CompiledCache) => `${cache.cache.metadata.creationTimestamp ?? ''} ${cache.key}`
  return age(a) < age(b) ? -1 : 1
}

function isActive(cache: CompiledCache): boolean {
  return cache.activity === 'active'
}

/** A node that gets no work keeps its requests, unless the namespace of the cache may not use it. */
function mayKeep({ reason }: Skipped, old: DesiredImage | undefined, owner: string): boolean {
  return reason !== 'NamespaceNodeSelector' && old?.owners.includes(owner) === true
}

function asksAgain({ refresh, edit }: NewRequests, entry: LedgerEntry | undefined): boolean {
  return refresh || (edit && hasPullFailed(entry))
}

function fresh(cache: CompiledCache, image: string, revision: number): DesiredImage {
  const secrets = pullSecretNames(cache.cache)
  return {
    image,
    ...(cache.credential !== undefined && {
      credential: cache.credential,
      pullSecrets: secrets.map(name => ({ name })),
    }),
    pullPolicy: 'IfNotPresent',
    revision,
    owners: [],
  }
}

function merge(
  image: DesiredImage,
  cache: CompiledCache,
  listHash: string | undefined,
  pullPolicy: DesiredImage['pullPolicy'],
): DesiredImage {
  const { lists = [] } = image
  return {
    ...image,
    ...(listHash !== undefined && { lists: lists.includes(listHash) ? lists : [...lists, listHash] }),
    pullPolicy: image.pullPolicy === 'Always' ? 'Always' : pullPolicy,
    owners: image.owners.includes(cache.owner) ? image.owners : [...image.owners, cache.owner],
  }
}

/**
 * Raises the revision where the image is asked for again, and notes what the registry says of a moving tag.
 */
function withRevision(
  { refreshes, beforePulls, nextRevision }: ImagesInput,
  { desired, isAskedAgain }: WantedImage,
  old: DesiredImage | undefined,
  entry: LedgerEntry | undefined,
  key: string,
): DesiredImage {
  const isStricter = old?.pullPolicy === 'IfNotPresent' && desired.pullPolicy === 'Always'
  const isAsked = old === undefined || isAskedAgain || isStricter
  if (desired.pullPolicy !== 'Always') {
    return isAsked ? { ...desired, revision: nextRevision } : desired
  }
  const answers = { refresh: refreshes?.get(key), beforePull: beforePulls?.get(key) }
  const { isNew, ...known } = applyAnswers(old, entry, answers, isAsked)
  return { ...desired, ...known, ...((isAsked || isNew) && { revision: nextRevision }) }
}
