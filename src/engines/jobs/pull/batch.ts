import { hasFailed } from '../../../api/failure-reasons.ts'
import { type DesiredImage, type LedgerEntry, entryKey } from '../../../api/node-images.ts'
import type { CompiledCache } from '../../../core/demand/index.ts'
import type { Due } from '../../../core/ledger/index.ts'
import { UNPROVEN } from '../../../core/ledger/index.ts'
import type { NodeWork, RegistryState } from './node-work.ts'
import type { JobMethod } from './pull-job.ts'
import { hostOf } from '../../../oci/registry-host.ts'

/**
 * Images of one Job. Ten stay inside the burst of the kubelet's pull limit (`registryBurst` 10, `registryPullQPS` 5):
 * a pod that asks for more waits out the image back-off.
 */
export const BATCH_SIZE = 10

/** States in which a registry gets one image alone. */
const HELD_UP: ReadonlySet<RegistryState> = new Set(['failing', 'limited'])

/** An image that needs a Job now. */
export interface DueImage {
  readonly desired: DesiredImage
  readonly entry: LedgerEntry | undefined
  readonly due: Extract<Due, { kind: 'now' }>
}

/** The images that go into one Job together. */
export interface Batch {
  readonly cache: CompiledCache
  readonly method: JobMethod
  readonly images: readonly DesiredImage[]
  readonly proofOnly: boolean
  readonly urgent: boolean
}

/**
 * Chooses the next Job of a node: images of one cache and one credential, those that nobody has tried first, caches in
 * turn. A registry that no pull has been seen from yet gives one image only, and one that does not answer gives one
 * image alone, last, on one node at a time: pulls on a node are serial, and a silent registry holds up all of them.
 */
export function nextBatch(candidates: readonly DueImage[], work: NodeWork): Batch | undefined {
  const failing = (item: DueImage) => HELD_UP.has(work.registries.state(hostOf(item.desired.image)))
  const answering = candidates.filter(item => !failing(item))
  const silent = candidates.filter(
    item => failing(item) && work.registries.mayProbe(hostOf(item.desired.image), work.node.metadata.name),
  )
  const group = firstGroup(answering, work) ?? firstGroup(silent.slice(0, 1), work)
  if (!group) return undefined
  const { cache, items } = group
  const method = work.method === 'containers' ? 'containers' : isolated(items) ? 'single' : 'batch'
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
  readonly items: readonly DueImage[]
}

function firstGroup(candidates: readonly DueImage[], work: NodeWork): Group | undefined {
  const groups = new Map<string, { cache: CompiledCache; kind: number; items: DueImage[] }>()
  for (const item of candidates) {
    // The oldest cache that may have Jobs: one whose namespace lets none be made holds up no other.
    const cache = item.desired.owners
      .map(owner => work.caches.get(owner))
      .find(
        found =>
          found?.activity === 'active' && work.refusedIn(found.cache.metadata.namespace ?? '') === undefined,
      )
    if (!cache) continue
    const kind = kindOf(item)
    const key = JSON.stringify([cache.owner, item.desired.credential ?? '', kind])
    const group = groups.get(key) ?? { cache, kind, items: [] }
    groups.set(key, group)
    group.items.push(item)
  }
  const turn = [...groups.values()].toSorted(
    (a, b) => a.kind - b.kind || lastTurn(a.cache, work) - lastTurn(b.cache, work),
  )[0]
  return turn && { cache: turn.cache, items: fill(turn.items, work) }
}

/**
 * What may go together, in the order of its turn: untried images, images whose batch failed, refreshed ones, retries,
 * proofs. `Always` volumes are asked for again at every sync of a Pod that waits, so those that have failed go alone.
 */
function kindOf(item: DueImage): number {
  if (item.due.urgent) return 0
  if (item.entry?.reason === UNPROVEN) return 1
  if (item.due.how === 'prove') return 4
  return item.entry && hasFailed(item.entry) ? 3 : 2
}

/** Failures that are not the image's: it goes with others again. */
const BLAMELESS = new Set<string | undefined>([
  'HelperImageUnavailable',
  'NodeRefused',
  'JobRefused',
  'NodeUnavailable',
])

function isolated(items: readonly DueImage[]): boolean {
  return items.length > 1 && items.some(({ entry }) => entry?.reason === UNPROVEN || isFaulty(entry))
}

function isFaulty(entry: LedgerEntry | undefined): boolean {
  return entry !== undefined && hasFailed(entry) && !BLAMELESS.has(entry.reason)
}

function fill(items: readonly DueImage[], work: NodeWork): DueImage[] {
  const chosen: DueImage[] = []
  const unknown = new Set<string>()
  let always = false
  let faulty = false
  for (const item of items) {
    if (chosen.length === BATCH_SIZE) break
    // What one slow image of a Job made time out is not known to be slow itself: each gets a Job of its own.
    const isSlow = item.entry?.reason === 'Timeout'
    if (isSlow && chosen.length > 0) continue
    const isAlways: boolean = always || item.desired.pullPolicy === 'Always'
    const isTainted: boolean = faulty || isFaulty(item.entry)
    if (isAlways && isTainted && chosen.length > 0) continue
    const host = hostOf(item.desired.image)
    if (work.registries.state(host) === 'unknown') {
      if (unknown.has(host)) continue
      unknown.add(host)
    }
    chosen.push(item)
    if (isSlow) break
    always = isAlways
    faulty = isTainted
  }
  // Known registries first: one that may not answer shall hold up nothing of this batch.
  return chosen.toSorted(
    (a, b) => rank(a, work) - rank(b, work) || (entryKey(a.desired) < entryKey(b.desired) ? -1 : 1),
  )
}

function rank(item: DueImage, work: NodeWork): number {
  return work.registries.state(hostOf(item.desired.image)) === 'good' ? 0 : 1
}

/** When the cache last had a Job on this node: the one that waited longest is next. */
function lastTurn(cache: CompiledCache, work: NodeWork): number {
  const keys = new Set(
    work.desired.filter(image => image.owners.includes(cache.owner)).map(image => entryKey(image)),
  )
  const times = work.ledger
    .filter(entry => keys.has(entryKey(entry)))
    .map(entry => Date.parse(entry.startedAt ?? ''))
  return Math.max(0, ...times.filter(time => !Number.isNaN(time)))
}
