import { type DesiredImage, type LedgerEntry, entryKey } from '../../../api/node-images.ts'
import type { CompiledCache } from '../../../core/demand/index.ts'
import { type Circuits, type DuePull, failureFor, hasPullFailed } from '../../../core/ledger/index.ts'
import { hostOf } from '../../../oci/registry-host.ts'
import type { PullMethod } from './job-settings.ts'
import type { JobMethod } from './pull-job.ts'

/**
 * Greatest number of images of one Job.
 * Ten images stay within the burst of the kubelet's pull limit (`registryBurst` 10, `registryPullQPS` 5).
 * A Pod that asks for more waits for the image back-off.
 */
const BATCH_SIZE = 10

/** Facts about one node that decide its next batch. */
export interface BatchInput {
  readonly desired: readonly DesiredImage[]
  readonly ledger: readonly LedgerEntry[]
  readonly caches: ReadonlyMap<string, CompiledCache>
  readonly circuits: Circuits
  /** How images are pulled for caches of a namespace. */
  readonly methodIn: (namespace: string) => PullMethod
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** The images that go into one Job together. */
export interface Batch {
  readonly cache: CompiledCache
  readonly method: JobMethod
  readonly images: readonly DesiredImage[]
  /** True where the Job only proves that the node still has the images. */
  readonly proofOnly: boolean
  /** True where one of the images has no attempt yet for the current request. */
  readonly urgent: boolean
}

/**
 * Chooses the images of the next Job of a node. All are of one cache and one credential.
 * Images without an attempt come first. Caches take turns.
 *
 * An untested registry gives one image.
 * A registry with an open or limited circuit gives one image in its own Job, last, on one node at a time.
 * Pulls on a node are serial, so a registry that does not answer delays all of them.
 */
export function nextBatch(candidates: readonly DuePull[], input: BatchInput): Batch | undefined {
  const isFailing = (item: DuePull) => {
    const circuit = input.circuits.registry(hostOf(item.desired.image))
    return circuit === 'open' || circuit === 'limited'
  }
  const answering = candidates.filter(item => !isFailing(item))
  const probes = candidates.filter(
    item => isFailing(item) && input.circuits.mayProbeRegistry(hostOf(item.desired.image)),
  )
  const group = firstGroup(answering, input) ?? firstGroup(probes.slice(0, 1), input)
  if (!group) return undefined
  const { cache, items } = group
  const pullMethod = input.methodIn(cache.cache.metadata.namespace ?? '')
  const method = pullMethod === 'containers' ? 'containers' : needsOwnContainers(items) ? 'single' : 'batch'
  return {
    cache,
    method,
    images: items.map(item => item.desired),
    proofOnly: items[0]?.due.how === 'prove',
    urgent: items.some(item => item.due.urgent),
  }
}

interface Group {
  readonly cache: CompiledCache
  readonly items: readonly DuePull[]
}

interface RankedGroup extends Group {
  readonly rank: number
  /** When the cache last had a Job on this node, in milliseconds since the epoch. 0 where it had none. */
  readonly lastTurn: number
}

function firstGroup(candidates: readonly DuePull[], input: BatchInput): Group | undefined {
  const groups = new Map<string, RankedGroup & { items: DuePull[] }>()
  for (const item of candidates) {
    const cache = nextOwner(item, input)
    if (!cache) continue
    const rank = rankOf(item)
    const key = JSON.stringify([cache.owner, item.desired.credential ?? '', rank])
    const group = groups.get(key) ?? { cache, rank, lastTurn: lastTurn(cache, input), items: [] }
    groups.set(key, group)
    group.items.push(item)
  }
  const next = firstInTurn([...groups.values()], input)
  return next && { cache: next.cache, items: fillBatch(next.items, input) }
}

/**
 * First pulls come first, and caches take turns. Among first pulls of one cache those come first that
 * shared a Job that failed: their failure is to be told in seconds.
 *
 * A namespace that always has first pulls does not stop the others: one that has waited for long has every
 * second turn.
 */
function firstInTurn(groups: readonly RankedGroup[], input: BatchInput): RankedGroup | undefined {
  const [first] = groups.toSorted(
    (a, b) =>
      Math.max(a.rank, URGENT) - Math.max(b.rank, URGENT) || a.lastTurn - b.lastTurn || a.rank - b.rank,
  )
  if (!first || first.rank > URGENT) return first
  const turns = turnsOfNamespaces(input)
  const own = namespaceOf(first.cache)
  const hadLastTurn = turns.size > 0 && turns.get(own) === Math.max(...turns.values())
  if (!hadLastTurn) return first
  const waitedSince = (group: RankedGroup) => turns.get(namespaceOf(group.cache)) ?? 0
  const [other] = groups
    .filter(group => namespaceOf(group.cache) !== own && input.now - waitedSince(group) > MAX_WAIT_MS)
    .toSorted((a, b) => waitedSince(a) - waitedSince(b) || a.rank - b.rank)
  return other ?? first
}

/**
 * The cache that the Job is made for: an active one whose namespace accepts Jobs. A cache for which the image
 * has not failed comes first, then the one whose failure is oldest. Among equals a namespace without
 * failures comes first, then the oldest cache.
 */
function nextOwner({ desired, entry }: DuePull, { caches, circuits }: BatchInput): CompiledCache | undefined {
  const failedAt = (owner: string) => {
    const failure = failureFor(entry, owner)
    return failure && failure.revision >= desired.revision ? Date.parse(failure.finishedAt ?? '') || 0 : 0
  }
  const candidates = desired.owners
    .map(owner => caches.get(owner))
    .filter(cache => cache?.activity === 'active')
    .filter(cache => cache !== undefined)
  const failed = new Set(candidates.filter(({ owner }) => failedAt(owner) > 0).map(namespaceOf))
  const order = (cache: CompiledCache) =>
    [failedAt(cache.owner), failed.has(namespaceOf(cache)) ? 1 : 0] as const
  return candidates
    .filter(cache => circuits.namespaceRefusal(namespaceOf(cache)) === undefined)
    .toSorted((a, b) => order(a)[0] - order(b)[0] || order(a)[1] - order(b)[1])[0]
}

/** Greatest rank of an image without an answer to its request. */
const URGENT = 1

/** Time without a turn after which a namespace has every second turn on a node. */
const MAX_WAIT_MS = 300_000

/**
 * The rank of an image. Images of different ranks never share a Job.
 * Failed images have a rank of their own: their Pod waits, and at each sync of a waiting Pod
 * the kubelet asks the registry again for every volume with the policy `Always`.
 */
function rankOf({ entry, due }: DuePull): number {
  const isUnproven = entry?.attempt?.state === 'Unproven'
  if (due.urgent) return isUnproven ? 0 : URGENT
  if (isUnproven) return 2
  if (due.how === 'prove') return 5
  return hasPullFailed(entry) ? 4 : 3
}

/** Failure reasons that do not blame the image. After one of them, the image may share a Job with others. */
const BLAMELESS = new Set<string | undefined>([
  'HelperImageUnavailable',
  'NodeRefused',
  'JobRefused',
  'PodNotMade',
  'NodeUnavailable',
])

function needsOwnContainers(items: readonly DuePull[]): boolean {
  const isSuspect = ({ entry }: DuePull) => entry?.attempt?.state === 'Unproven' || isFaulty(entry)
  return items.length > 1 && items.some(isSuspect)
}

function isFaulty(entry: LedgerEntry | undefined): boolean {
  return hasPullFailed(entry) && !BLAMELESS.has(entry?.attempt?.reason)
}

function fillBatch(items: readonly DuePull[], input: BatchInput): DuePull[] {
  const chosen: DuePull[] = []
  const untested = new Set<string>()
  let hasAlways = false
  let hasFaulty = false
  for (const item of items) {
    if (chosen.length === BATCH_SIZE) break
    // One slow image makes all images of its Job time out, so each slow image gets its own Job.
    const isSlow = item.entry?.attempt?.reason === 'Timeout'
    if (isSlow && chosen.length > 0) continue
    const always: boolean = hasAlways || item.desired.pullPolicy === 'Always'
    const faulty: boolean = hasFaulty || isFaulty(item.entry)
    if (always && faulty && chosen.length > 0) continue
    const host = hostOf(item.desired.image)
    if (input.circuits.registry(host) === 'untested') {
      if (untested.has(host)) continue
      untested.add(host)
    }
    chosen.push(item)
    if (isSlow) break
    hasAlways = always
    hasFaulty = faulty
  }
  // Registries that answer come first, so that an untested one does not delay their images.
  const order = (item: DuePull) => (input.circuits.registry(hostOf(item.desired.image)) === 'closed' ? 0 : 1)
  return chosen.toSorted(
    (a, b) => order(a) - order(b) || (entryKey(a.desired) < entryKey(b.desired) ? -1 : 1),
  )
}

/** When the cache last had a Job on this node, in milliseconds since the epoch. 0 where it had none. */
function lastTurn(cache: CompiledCache, { desired, ledger }: BatchInput): number {
  const keys = new Set(desired.filter(image => image.owners.includes(cache.owner)).map(entryKey))
  return Math.max(0, ...ledger.filter(entry => keys.has(entryKey(entry))).map(startOf))
}

/** When each namespace last had a Job on this node, in milliseconds since the epoch. */
function turnsOfNamespaces({ desired, ledger, caches }: BatchInput): Map<string, number> {
  const starts = new Map(ledger.map(entry => [entryKey(entry), startOf(entry)]))
  const turns = new Map<string, number>()
  for (const image of desired) {
    const cache = image.owners.map(owner => caches.get(owner)).find(owner => owner !== undefined)
    const start = starts.get(entryKey(image)) ?? 0
    if (!cache || start === 0) continue
    const namespace = namespaceOf(cache)
    turns.set(namespace, Math.max(start, turns.get(namespace) ?? 0))
  }
  return turns
}

function startOf({ attempt }: LedgerEntry): number {
  return Date.parse(attempt?.startedAt ?? '') || 0
}

function namespaceOf({ cache }: CompiledCache): string {
  return cache.metadata.namespace ?? ''
}
