import { type DesiredImage, type LedgerEntry, entryKey } from '../../api/node-images.ts'
import { hasFailed } from '../../api/failure-reasons.ts'
import type { SkipReason } from '../../api/skip-reasons.ts'
import { type CompiledCache, type CompiledList, pullSecretNames } from '../demand/index.ts'
import { skipReason } from '../node/index.ts'
import type { NodeFacts } from '../node/index.ts'
import { type TagAnswers, withAnswers } from './refresh.ts'
import { matchesAffinity, matchesLabels } from '../node/index.ts'

/** What one list of a cache means for one node. */
export type Selection =
  | { readonly kind: 'unselected' }
  | { readonly kind: 'skipped'; readonly reason: SkipReason }
  | { readonly kind: 'desired' }

const UNSELECTED: Selection = { kind: 'unselected' }
const DESIRED: Selection = { kind: 'desired' }

/** Whether a node shall hold the images of a list, and why not where it shall not. */
export function select(node: NodeFacts, { list, namespaceNodeSelector }: CompiledList): Selection {
  if (!matchesLabels(node, list.nodeSelector) || !matchesAffinity(node, list.nodeAffinity)) return UNSELECTED
  const reason = matchesLabels(node, namespaceNodeSelector) ? skipReason(node, list) : 'NamespaceNodeSelector'
  return reason ? { kind: 'skipped', reason } : DESIRED
}

/** What the plan of one node is made from. */
export interface PlanInput extends TagAnswers {
  readonly node: NodeFacts
  readonly caches: readonly CompiledCache[]
  /** `spec.images` as it stands: requests that were made stay made. */
  readonly existing: readonly DesiredImage[]
  readonly ledger: readonly LedgerEntry[]
  /** RFC 3339. */
  readonly now: string
}

/**
 * The images that a node shall hold, sorted by key. A node that may have no work for a while (cordoned, not ready)
 * keeps what it was asked for before, as far as it is still wanted, so that nothing is asked for twice.
 */
export function planNode({
  node,
  caches,
  existing,
  ledger,
  refreshes,
  beforePulls,
  now,
}: PlanInput): DesiredImage[] {
  const before = new Map(existing.map(image => [entryKey(image), image]))
  const entries = new Map(ledger.map(entry => [entryKey(entry), entry]))
  const wanted = new Map<string, DesiredImage>()
  for (const cache of caches.filter(isActive).toSorted(byAge)) {
    for (const list of cache.lists) {
      const selection = select(node, list)
      if (selection.kind === 'unselected') continue
      for (const { image, pullPolicy } of list.wanted) {
        const key = entryKey({ image, credential: cache.credential })
        const old = before.get(key)
        if (selection.kind === 'skipped' && !old?.owners.includes(cache.owner)) continue
        const merged = merge(
          wanted.get(key) ?? fresh(cache, image, old, now),
          cache,
          list.listHash,
          pullPolicy,
        )
        wanted.set(key, { ...merged, requestedAt: requestTime(merged, cache, old, entries.get(key), now) })
      }
    }
  }
  return [...wanted.values()]
    .map(image => {
      const key = entryKey(image)
      const answers = { refresh: refreshes?.get(key), beforePull: beforePulls?.get(key) }
      return withAnswers(image, answers, before.get(key), entries.get(key))
    })
    .toSorted((a, b) => (entryKey(a) < entryKey(b) ? -1 : 1))
}

/** Keys of the images that the node may have work for now: a cordoned node, say, keeps its requests and gets none. */
export function startableKeys(node: NodeFacts, caches: readonly CompiledCache[]): Set<string> {
  const keys = new Set<string>()
  for (const cache of caches.filter(isActive)) {
    for (const list of cache.lists.filter(candidate => select(node, candidate).kind === 'desired')) {
      for (const { image } of list.wanted) keys.add(entryKey({ image, credential: cache.credential }))
    }
  }
  return keys
}

function isActive(cache: CompiledCache): boolean {
  return cache.activity === 'active'
}

/** The oldest cache first: its Job pulls what several want. */
export function byAge(a: CompiledCache, b: CompiledCache): number {
  const age = (cache: CompiledCache) => `${cache.cache.metadata.creationTimestamp ?? ''} ${cache.key}`
  return age(a) < age(b) ? -1 : 1
}

function fresh(
  cache: CompiledCache,
  image: string,
  old: DesiredImage | undefined,
  now: string,
): DesiredImage {
  const secrets = pullSecretNames(cache.cache)
  return {
    image,
    ...(cache.credential !== undefined && {
      credential: cache.credential,
      pullSecrets: secrets.map(name => ({ name })),
    }),
    pullPolicy: 'IfNotPresent',
    owners: [],
    requestedAt: old?.requestedAt ?? now,
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
 * When the image was last asked for. A refresh asks for every image of its cache again, an edit for those that had
 * failed before, a policy that turned into Always for those that it covers.
 */
function requestTime(
  image: DesiredImage,
  cache: CompiledCache,
  old: DesiredImage | undefined,
  entry: LedgerEntry | undefined,
  now: string,
): string {
  const { requestedAt, editedAt } = cache.cache.status ?? {}
  const failed = entry && hasFailed(entry) ? entry : undefined
  const failedBefore = failed && !(Date.parse(failed.finishedAt ?? '') >= Date.parse(editedAt ?? ''))
  const stricter = old?.pullPolicy === 'IfNotPresent' && image.pullPolicy === 'Always'
  return latest(
    image.requestedAt,
    requestedAt,
    failedBefore ? editedAt : undefined,
    stricter ? now : undefined,
  )
}

function latest(first: string, ...others: (string | undefined)[]): string {
  return others.reduce<string>(
    (latest, time) => (time && Date.parse(time) > Date.parse(latest) ? time : latest),
    first,
  )
}
