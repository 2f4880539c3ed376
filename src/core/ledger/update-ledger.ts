import { type DesiredImage, type LedgerEntry, type Removal, entryKey } from '../../api/node-images.ts'
import { imageName } from '../../oci/reference.ts'
import type { CompiledCache } from '../demand/index.ts'
import type { Inventory, NodeFacts } from '../node/index.ts'
import { applyInventory, isGone } from './apply-inventory.ts'
import { byKey, emptyEntry, isPresent, isPullAnswered } from './entry.ts'
import type { Evidence, PullEvidence, RemovalEvidence } from './evidence.ts'
import { pulledByUs } from './pulled-by-us.ts'
import { recordPull } from './record-pull.ts'
import { isRemovalAnswered, recordRemoval, recordRemovalRequest, removedEntry } from './record-removal.ts'

/** What the ledger of one node is made from. */
export interface LedgerInput {
  readonly node: NodeFacts
  readonly inventory: Inventory
  readonly desired: readonly DesiredImage[]
  readonly removals: readonly Removal[]
  readonly ledger: readonly LedgerEntry[]
  /** Caches by owner hash. */
  readonly caches: ReadonlyMap<string, CompiledCache>
  readonly evidence: Evidence
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** Entries of images that nobody wants, for each node. */
const MAX_TOMBSTONES = 200
/** Age at which an image that nobody wants is forgotten although no list shows that it has gone: 30 days. */
const TOMBSTONE_AGE_MS = 30 * 86_400_000

/**
 * The new ledger of a node: what engines and the image list of the node say of each image that is wanted or
 * is to be removed. Pure. The order of entries is that of their keys.
 */
export function updateLedger(input: LedgerInput): LedgerEntry[] {
  const now = new Date(input.now).toISOString()
  const old = byKey(input.ledger)
  const next = new Map<string, LedgerEntry>()
  const evidence = Map.groupBy(input.evidence.pulls, ({ key }) => key)
  const withSecret = new Set(
    input.ledger.flatMap(entry => (entry.credential ? [imageName(entry.image)] : [])),
  )
  const isPulledByUs = pulledByUs(input)
  for (const desired of input.desired) {
    const key = entryKey(desired)
    const before = withoutRemoval(old.get(key), now)
    const recorded = recordEvidence(desired, before, evidence.get(key) ?? [], now)
    const entry = applyInventory(
      input.inventory,
      desired,
      recorded,
      now,
      withSecret.has(imageName(desired.image)),
    )
    next.set(key, {
      ...(entry ?? emptyEntry(desired, true)),
      owners: desired.owners,
      lists: desired.lists,
      ...(before === undefined && { pulledByUs: isPulledByUs(desired) }),
    })
  }
  for (const entry of tombstones(input, next)) next.set(entryKey(entry), entry)
  updateRemovals(input, next, now)
  return [...next.values()]
    .map(entry => withPressure(withoutUndefined(entry), input, now))
    .toSorted((a, b) => (entryKey(a) < entryKey(b) ? -1 : 1))
}

function recordEvidence(
  desired: DesiredImage,
  old: LedgerEntry | undefined,
  evidence: readonly PullEvidence[],
  now: string,
): LedgerEntry | undefined {
  let entry = old
  let isRunning = false
  for (const item of evidence) {
    if (isRecorded(item, entry)) continue
    isRunning ||= item.verdict.kind === 'pulling'
    entry = recordPull(desired, entry, believed(item, desired), item, now)
  }
  if (entry?.attempt?.state !== 'Pulling' || isRunning) return entry
  return isPullAnswered(entry, desired) ? withoutAttempt(entry) : recordLostAttempt(desired, entry, now)
}

/** Its Job is gone and nobody read it. The image is proved again. */
function recordLostAttempt(desired: DesiredImage, entry: LedgerEntry, now: string): LedgerEntry {
  const startedAt = entry.attempt?.startedAt ?? now
  const facts = { id: entry.attempt?.id ?? '', revision: desired.revision, startedAt }
  return recordPull(
    desired,
    entry,
    { kind: 'unknown', message: 'the Job went away unread' },
    facts,
    startedAt,
  )
}

/**
 * The ledger knows the result of this attempt, or of a later one.
 * The list of the node has the last word: what it has shown since the attempt began is no failure.
 */
function isRecorded({ id, startedAt }: PullEvidence, entry: LedgerEntry | undefined): boolean {
  const { attempt, presence } = entry ?? {}
  if (!attempt && presence?.state === 'Present' && presence.by === 'NodeList') {
    return Date.parse(presence.since) >= Date.parse(startedAt)
  }
  if (!attempt?.id) return false
  if (attempt.id === id) return attempt.state !== 'Pulling'
  return Date.parse(attempt.startedAt ?? '') > Date.parse(startedAt)
}

/**
 * A failure counts for images of the cache that the attempt was made for. Without this rule, an author who
 * may make Jobs in one namespace could make an image fail for the caches of others. That an image is there
 * is a fact for all.
 */
function believed({ verdict, owner }: PullEvidence, desired: DesiredImage): PullEvidence['verdict'] {
  if (verdict.kind !== 'failed' || desired.owners.includes(owner)) return verdict
  return { kind: 'unknown', message: verdict.message }
}

/**
 * The image is wanted again. A removal that may have begun leaves its presence unknown, and older lists
 * prove nothing.
 */
function withoutRemoval(entry: LedgerEntry | undefined, now: string): LedgerEntry | undefined {
  if (!entry?.removal) return entry
  const { removal, ...rest } = entry
  if (removal.state !== 'Waiting' && removal.state !== 'Removing') return rest
  return { ...rest, presence: { state: 'Absent', since: now, by: 'Job' } }
}

function withoutAttempt(entry: LedgerEntry): LedgerEntry {
  const { attempt: _, ...rest } = entry
  return rest
}

/**
 * Images that nobody wants stay on record while they are on the node: the record says which caches wanted
 * them.
 * An image that is to be removed stays until that is done. A removed image stays until the list of the node
 * is newer.
 */
function tombstones(
  { ledger, removals, inventory, now }: LedgerInput,
  wanted: ReadonlyMap<string, LedgerEntry>,
): LedgerEntry[] {
  const removing = new Set(removals.map(entryKey))
  const left = ledger.filter(entry => !wanted.has(entryKey(entry)))
  const going = left.filter(entry => removing.has(entryKey(entry)))
  const others = left.filter(entry => {
    if (removing.has(entryKey(entry))) return false
    if (entry.removal?.state === 'Removed') return !inventory.isNewerThan(entry.presence?.since)
    const isOld = now - Date.parse(entry.presence?.since ?? '') > TOMBSTONE_AGE_MS
    return isPresent(entry) && !isOld && !isGone(inventory, entry)
  })
  return [...going, ...others.slice(0, MAX_TOMBSTONES).map(withoutOpenRemoval)]
}

/** A removal that the plan no longer asks for. */
function withoutOpenRemoval(entry: LedgerEntry): LedgerEntry {
  const { removal, ...rest } = entry
  return removal && removal.state !== 'Removed' ? rest : entry
}

/** The ledger knows the result of this attempt, or waits for an attempt at a newer request. */
function isRemovalRecorded(
  { id, revision }: RemovalEvidence,
  removal: Removal,
  entry: LedgerEntry | undefined,
): boolean {
  const known = entry?.removal
  if (known?.id === id) return known.state !== 'Removing'
  return known?.state === 'Waiting' && revision < removal.revision
}

/** An image that is wanted takes no part: an older removal says nothing about it. */
function updateRemovals(
  { desired, removals, evidence, inventory }: LedgerInput,
  ledger: Map<string, LedgerEntry>,
  now: string,
): void {
  const byRemovalKey = Map.groupBy(evidence.removals, ({ key }) => key)
  const wanted = new Set(desired.map(entryKey))
  for (const removal of removals) {
    const key = entryKey(removal)
    if (wanted.has(key)) continue
    let entry = ledger.get(key)
    if (removal.stays !== undefined && entry?.removal?.state === 'Waiting') entry = withoutOpenRemoval(entry)
    for (const item of byRemovalKey.get(key) ?? []) {
      if (isRemovalRecorded(item, removal, entry)) continue
      entry = recordRemoval(removal, entry, item.verdict, item, now)
    }
    const before = entry?.removal
    const isStaying = before?.state === 'Kept' || before?.state === 'Failed'
    if (entry && before && isStaying && isPresent(entry) && isGone(inventory, entry)) {
      const { revision, id } = before
      const removed = {
        state: 'Removed' as const,
        revision,
        ...(id !== undefined && { id }),
        finishedAt: now,
      }
      entry = removedEntry(entry, removed, now)
    }
    if (!isRemovalAnswered(removal, entry)) entry = recordRemovalRequest(removal, entry, now)
    if (entry) ledger.set(key, entry)
  }
}

/**
 * Notes the last DiskPressure of the node with a presence that was just proved.
 * An image that a whole list has shown needs no proof.
 */
function withPressure(entry: LedgerEntry, { node, inventory }: LedgerInput, now: string): LedgerEntry {
  const { presence } = entry
  const { diskPressureAt } = node
  const isProved = presence?.state === 'Present' && presence.since === now
  const isWatched = inventory.isWhole && presence?.listed === true
  if (!isProved || isWatched || diskPressureAt === undefined) return entry
  return { ...entry, presence: { ...presence, diskPressureAt } }
}

function withoutUndefined(entry: LedgerEntry): LedgerEntry {
  const { lists, ...rest } = entry
  return lists === undefined ? rest : entry
}
