import type { Failure, ImageStatus } from '../../api/image-cache.ts'
import { type DesiredImage, type LedgerEntry, type NodeImages, entryKey } from '../../api/node-images.ts'
import { HOSTNAME_LABEL } from '../../api/constants.ts'
import type { SkipReason } from '../../api/skip-reasons.ts'
import type { CompiledCache } from '../demand/index.ts'
import type { NodeFacts } from '../node/index.ts'
import { failureFor, hasPullFailed, isPresent, isPullAnswered } from '../ledger/index.ts'
import { newRequests, select } from '../plan/index.ts'
import { type KeptOnNodes, RemovalTally } from './observe-removals.ts'

/** Failures of one image. */
export interface ImageFailures {
  /** At most `FAILED_NODES` of them. */
  readonly listed: readonly Failure[]
  readonly total: number
}

/** What the nodes and their ledgers say about one cache. */
export interface Observation {
  readonly nodes: { readonly desired: number; readonly ready: number; readonly skipped: number }
  readonly skipped: ReadonlyMap<SkipReason, readonly string[]>
  /** In the order of the spec. */
  readonly images: readonly ImageStatus[]
  readonly failures: ReadonlyMap<string, ImageFailures>
  /** Failures of pulls. The other failures are of removals. */
  readonly failedPulls: number
  /** Images that were to be removed and stay. */
  readonly kept: readonly KeptOnNodes[]
  /** Nodes that a selector matches, skipped ones included. */
  readonly matched: number
  /** Pairs of node and image that are wanted. */
  readonly wanted: number
  /** Pairs without an answer. */
  readonly unsettled: number
  /** Of these, pairs on nodes that existed when the action began. The action waits for them. */
  readonly awaited: number
}

/** Reasons of images that no node is asked to hold. */
const NEVER_ASKED = new Set(['InvalidReference', 'TooManyImages', 'NotAllowed'])
const NO_ROOM =
  'the ledger of the node has room for about 1 100 images, and those of older image caches come first'
/** Nodes that are listed for one failed image. */
const FAILED_NODES = 10

/**
 * Observes all nodes for one cache. `startTime`: when its action began. The action does not wait for
 * younger nodes.
 */
export function observe(
  cache: CompiledCache,
  nodes: Iterable<NodeFacts>,
  ledgerOf: (nodeName: string) => NodeImages | undefined,
  startTime: string | undefined,
): Observation {
  const tally = new Tally(cache)
  for (const node of nodes) tally.add(node, ledgerOf(node.metadata.name), startTime)
  return tally.result()
}

interface ImageTally {
  desired: number
  present: number
  pulling: number
  failed: number
  digests: Set<string>
}

class Tally {
  readonly #cache: CompiledCache
  readonly #images = new Map<string, ImageTally>()
  readonly #failures = new Map<string, { listed: Failure[]; total: number }>()
  readonly #skipped = new Map<SkipReason, string[]>()
  readonly #removals: RemovalTally
  #failedPulls = 0
  #desired = 0
  #skippedNodes = 0
  #ready = 0
  #matched = 0
  #wanted = 0
  #unsettled = 0
  #awaited = 0

  constructor(cache: CompiledCache) {
    this.#cache = cache
    this.#removals = new RemovalTally(cache)
    for (const image of cache.lists.flatMap(list => [...list.wanted, ...list.refused])) {
      this.#images.set(image.image, { desired: 0, present: 0, pulling: 0, failed: 0, digests: new Set() })
    }
  }

  add(node: NodeFacts, nodeImages: NodeImages | undefined, startTime: string | undefined): void {
    const isOwn = nodeImages?.metadata.ownerReferences?.some(owner => owner.uid === node.metadata.uid)
    const own = isOwn ? nodeImages : undefined
    const isNew = Date.parse(node.metadata.creationTimestamp ?? '') > Date.parse(startTime ?? '')
    const removals = this.#removals.look(node, own)
    this.#unsettled += removals.open
    if (!isNew) this.#awaited += removals.open
    for (const { image, reason, message } of removals.failures) this.#fail(node, image, reason, message)
    if (this.#cache.activity === 'purging') {
      this.#addLeaving(node, own)
      return
    }
    const wanted = new Set<string>()
    const refused = new Map<string, { reason: string; message: string }>()
    let skipped: SkipReason | undefined
    let desired = false
    for (const list of this.#cache.lists) {
      const selection = select(node, list)
      if (selection.kind === 'skipped') skipped ??= selection.reason
      if (selection.kind !== 'desired') continue
      desired = true
      for (const { image } of list.wanted) wanted.add(image)
      for (const { image, reason, message } of list.refused) refused.set(image, { reason, message })
    }
    if (!desired && skipped) this.#skip(node, skipped)
    if (!desired) return
    this.#matched += 1
    this.#desired += 1
    const unsettled = this.#look(node, own, wanted)
    this.#unsettled += unsettled.open
    if (!isNew) this.#awaited += unsettled.open
    for (const [image, { reason, message }] of refused) this.#failPull(node, image, reason, message)
    if (unsettled.missing === 0 && refused.size === 0) this.#ready += 1
  }

  /** A cache that is purged wants no image. Images that are still there are counted. */
  #addLeaving(node: NodeFacts, nodeImages: NodeImages | undefined): void {
    if (this.#cache.lists.some(list => select(node, list).kind !== 'unselected')) this.#matched += 1
    for (const entry of nodeImages?.status?.images ?? []) {
      const isThere = isPresent(entry) && entry.credential === this.#cache.credential
      const tally = isThere ? this.#images.get(entry.image) : undefined
      if (tally) tally.present += 1
    }
  }

  #skip(node: NodeFacts, reason: SkipReason): void {
    this.#matched += 1
    this.#skippedNodes += 1
    const names = this.#skipped.get(reason) ?? []
    names.push(node.metadata.name)
    this.#skipped.set(reason, names)
  }

  #look(
    node: NodeFacts,
    nodeImages: NodeImages | undefined,
    wanted: ReadonlySet<string>,
  ): { open: number; missing: number } {
    const spec = new Map((nodeImages?.spec?.images ?? []).map(image => [entryKey(image), image]))
    const ledger = new Map((nodeImages?.status?.images ?? []).map(entry => [entryKey(entry), entry]))
    const isCrowdedOut = nodeImages?.spec?.crowdedOut?.includes(this.#cache.owner) ?? false
    const { refresh, edit } = newRequests(this.#cache, nodeImages?.spec?.owners?.[this.#cache.owner])
    let open = 0
    let missing = 0
    for (const image of wanted) {
      const key = entryKey({ image, credential: this.#cache.credential })
      const entry = ledger.get(key)
      const tally = this.#images.get(image)
      if (!tally) continue
      this.#wanted += 1
      tally.desired += 1
      if (isCrowdedOut && !spec.get(key)?.owners.includes(this.#cache.owner)) {
        missing += 1
        this.#failPull(node, image, 'TooManyImages', NO_ROOM)
        continue
      }
      if (isPresent(entry)) {
        tally.present += 1
        tally.digests.add(entry?.presence?.digest ?? '')
      } else missing += 1
      if (entry?.attempt?.state === 'Pulling') tally.pulling += 1
      const failure = failureFor(entry, this.#cache.owner)
      if (failure) this.#failPull(node, image, failure.reason, failure.message ?? '')
      // False where the plan of the node does not follow the newest request yet. An edit asks again for
      // failed images.
      const isPlanned = !refresh && !(edit && hasPullFailed(entry))
      if (!isPlanned || !this.#isSettled(spec.get(key), entry)) open += 1
    }
    return { open, missing }
  }

  #isSettled(desired: DesiredImage | undefined, entry: LedgerEntry | undefined): boolean {
    return (
      desired?.owners.includes(this.#cache.owner) === true &&
      isPullAnswered(entry, desired, this.#cache.owner)
    )
  }

  #failPull(node: NodeFacts, image: string, reason: string | undefined, message: string): void {
    this.#failedPulls += 1
    this.#fail(node, image, reason, message)
  }

  #fail(node: NodeFacts, image: string, reason: string | undefined, message: string): void {
    const failures = this.#failures.get(image) ?? { listed: [], total: 0 }
    this.#failures.set(image, failures)
    failures.total += 1
    const tally = this.#images.get(image)
    if (tally) {
      tally.failed += 1
      if (NEVER_ASKED.has(reason ?? '') && tally.desired < tally.failed) tally.desired += 1
    }
    if (failures.listed.length >= FAILED_NODES) return
    const hostname = node.metadata.labels?.[HOSTNAME_LABEL] ?? node.metadata.name
    failures.listed.push({ node: hostname, reason: reason ?? 'PullFailed', message })
  }

  result(): Observation {
    return {
      nodes: { desired: this.#desired, ready: this.#ready, skipped: this.#skippedNodes },
      skipped: this.#skipped,
      images: [...this.#images].map(([image, tally]) => imageStatus(image, tally)),
      failures: this.#failures,
      failedPulls: this.#failedPulls,
      kept: this.#removals.kept(),
      matched: this.#matched,
      wanted: this.#wanted,
      unsettled: this.#unsettled,
      awaited: this.#awaited,
    }
  }
}

function imageStatus(image: string, { desired, present, pulling, failed, digests }: ImageTally): ImageStatus {
  const [digest] = digests
  return {
    image,
    ...(digests.size === 1 && digest && { digest }),
    desired,
    present,
    ...(pulling > 0 && { pulling }),
    ...(failed > 0 && { failed }),
  }
}
