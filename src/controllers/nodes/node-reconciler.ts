import { type LedgerEntry, type NodeImages, entryKey } from '../../api/node-images.ts'
import {
  type Decision,
  type JobRequest,
  type JobSettings,
  type NodeWork,
  type PullMethodSetting,
  choosePullMethod,
  decide,
  jobHash,
  refuse,
} from '../../engines/jobs/pull/index.ts'
import { type RegistryHealth, sameMachine } from '../../core/ledger/index.ts'
import type { RemovalDecision } from '../../engines/jobs/removal/index.ts'
import type { HandlerResult, Logger } from '../../kube/index.ts'
import type { NodeFacts } from '../../core/node/index.ts'
import {
  type TagAnswer,
  fitObjectSize,
  planNode,
  planRemovals,
  startableKeys,
} from '../../core/plan/index.ts'
import { isRefusal } from '../../engines/jobs/job-refusal.ts'
import type { JobWriter } from '../../engines/jobs/job-writer.ts'
import { NodeImagesWriter } from './node-images-writer.ts'
import type { RefusedNamespaces } from '../../engines/jobs/refused-namespaces.ts'
import type { Remover } from '../../engines/jobs/remover.ts'
import type { JobSlots } from '../../engines/jobs/job-slots.ts'
import type { TagResolver } from '../../state/tag-resolver.ts'
import type { ClusterState } from '../../state/cluster-state.ts'

/** How soon a node that may not start a Job looks again, should nobody wake it. */
const SLOT_PATIENCE_MS = 30_000
/** How soon the words about a Job without a Pod are read. Without words there is nothing new to read. */
const EXPLAINED_MS = 50

/** What the reconciler of nodes works with. */
export interface NodeReconcilerOptions {
  readonly cluster: ClusterState
  readonly jobs: JobWriter
  readonly slots: JobSlots
  readonly remover: Remover
  readonly registries: RegistryHealth
  readonly refused: RefusedNamespaces
  /** What came of the last periodic refresh, by entry key. */
  readonly refreshes: ReadonlyMap<string, TagAnswer>
  readonly questions: TagResolver
  readonly settings: JobSettings
  readonly pullMethod: PullMethodSetting
  /** Minor version of the API server. */
  readonly serverMinor: number
  readonly log: Logger
}

/**
 * Brings one node nearer to what its caches want: plan → `NodeImages.spec` → Jobs → `NodeImages.status`. It may be cut
 * off after any step and run again: the ledger is written before a Job that it was read from goes.
 */
export class NodeReconciler {
  readonly #options: NodeReconcilerOptions
  readonly #writer: NodeImagesWriter
  #serverMinor: number

  constructor(options: NodeReconcilerOptions) {
    this.#options = options
    this.#writer = new NodeImagesWriter(options.cluster)
    this.#serverMinor = options.serverMinor
  }

  /** Reconciles the node of this name. */
  async reconcile(name: string, signal: AbortSignal): Promise<HandlerResult> {
    const { cluster, slots } = this.#options
    const node = cluster.nodeInformer.get(name)
    if (!node) {
      slots.leave(name)
      this.#writer.forget(name)
      await this.#options.jobs.deleteAll([...cluster.jobsOf(name), ...cluster.removalJobsOf(name)], signal)
      return {}
    }
    try {
      const nodeImages = await this.#plan(node, signal)
      if (nodeImages) return await this.#execute(node, nodeImages, signal)
      slots.leave(name)
      return {}
    } catch (error) {
      // Who cannot go on holds up nobody who waits behind it.
      slots.leave(name)
      throw error
    }
  }

  /** Writes what the node shall hold; undefined where nobody wants anything of it. */
  async #plan(node: NodeFacts, signal: AbortSignal): Promise<NodeImages | undefined> {
    const { cluster, log } = this.#options
    const { name, uid } = node.metadata
    let current = cluster.nodeImagesInformer.get(name)
    if (current && !current.metadata.ownerReferences?.some(owner => owner.uid === uid)) {
      log.info({ node: name }, 'the Node was made anew: its NodeImages starts empty')
      await this.#writer.delete(current, signal)
      current = undefined
    }
    const input = {
      node,
      caches: cluster.compiledCaches(),
      existing: current?.spec?.images ?? [],
      ledger: current?.status?.images ?? [],
      now: new Date(cluster.now()).toISOString(),
    }
    const { refreshes, questions } = this.#options
    const planned = planNode({ ...input, refreshes, beforePulls: questions.answers })
    const remove = planRemovals({ ...input, desired: planned, removals: current?.spec?.remove ?? [] })
    const { images, crowdedOut } = fitObjectSize(planned, cluster.compiledCaches(), remove)
    if (!current && images.length === 0) return undefined
    if (!current) return this.#writer.create(node, images, signal)
    const spec = {
      images: [...images],
      ...(remove.length > 0 && { remove }),
      ...(crowdedOut.length > 0 && { crowdedOut: [...crowdedOut] }),
    }
    return this.#writer.writeSpec(current, spec, signal)
  }

  async #execute(node: NodeFacts, nodeImages: NodeImages, signal: AbortSignal): Promise<HandlerResult> {
    const { jobs, settings, remover, questions } = this.#options
    const { name } = node.metadata
    const decision = decide(this.#gather(node, nodeImages))
    if (decision.volumesDropped && this.#serverMinor > 0) {
      this.#options.log.warn({}, 'the API server drops image volumes: pulling by containers from now on')
      this.#serverMinor = 0
    }
    if (decision.ask) questions.ask(name, decision.ask)
    const removal = remover.decide(node, nodeImages, decision.ledger)
    const removed = await remover.start(removal, node, signal)
    // One start at a time: what makes room goes first, and the Job that does is waited for.
    const { ledger, retryMs } = removed.busy
      ? removed
      : await this.#start({ ...decision, ledger: removed.ledger }, node, settings, signal)
    const requeue = [decision.lookAgainMs, removal.lookAgainMs, retryMs].filter(ms => ms !== undefined)
    const finished = [...decision.finished, ...removal.finished]
    const rests = !decision.start && !decision.ask && !removal.start && finished.length > 0
    const waitMs = await this.#writer.writeLedger(node, nodeImages, { images: ledger, rests }, signal)
    if (waitMs > 0) requeue.push(waitMs)
    else await this.#dismiss(node, nodeImages, decision, removal, signal)
    for (const job of [...decision.unexplained, ...removal.unexplained]) {
      if (await jobs.explain(job, signal)) requeue.push(EXPLAINED_MS)
    }
    this.#options.log.debug(
      { node: name, start: decision.start?.name, finished: finished.length },
      'reconciled',
    )
    return requeue.length > 0 ? { requeueAfterMs: Math.min(...requeue) } : {}
  }

  /** Lets Jobs go that were read to their end, or retains them; what shall go from the node is not retained. */
  async #dismiss(
    node: NodeFacts,
    nodeImages: NodeImages,
    decision: Decision,
    removal: RemovalDecision,
    signal: AbortSignal,
  ): Promise<void> {
    const { jobs, settings, remover } = this.#options
    if (settings.retainJobs) await jobs.retain(decision.finished, signal)
    else await jobs.deleteAll(decision.finished, signal)
    await jobs.deleteAll([...removal.finished, ...remover.inTheWay(node, nodeImages)], signal)
  }

  #gather(node: NodeFacts, nodeImages: NodeImages): NodeWork {
    const { cluster, registries, refused, settings, jobs, questions } = this.#options
    const { name } = node.metadata
    const now = cluster.now()
    const caches = cluster.compiledCaches()
    return {
      node,
      desired: nodeImages.spec?.images ?? [],
      startable: startableKeys(node, caches),
      ledger: sameMachine(node, nodeImages.status ?? {}) ? (nodeImages.status?.images ?? []) : [],
      removing: new Set((nodeImages.spec?.remove ?? []).map(removal => entryKey(removal))),
      removalRuns: this.#options.remover.isRunning(node),
      jobs: jobs.unread(name),
      pods: cluster.podsOf(name),
      caches: new Map(caches.map(cache => [cache.owner, cache])),
      method: choosePullMethod(node, this.#serverMinor, this.#options.pullMethod),
      registries: {
        state: host => registries.state(host, name),
        lastSuccess: host => registries.lastSuccess(host),
        mayProbe: host => !registries.isSilentForAll(host) || !jobs.isProbing(host, name),
      },
      isToBeAsked: image => questions.mayAsk(image) && !questions.askedLately(image),
      refusedIn: namespace => refused.messageFor(namespace, now),
      admittedAt: namespace => refused.recoveredAt(namespace, now),
      refusedUntil: namespace => refused.refusedUntil(namespace),
      refusals: jobs.explanations,
      settings,
      now,
    }
  }

  /** Starts the Job that was decided on, if there is a slot for it. */
  async #start(
    { start, ledger, finished }: Decision,
    node: NodeFacts,
    settings: JobSettings,
    signal: AbortSignal,
  ): Promise<{ ledger: readonly LedgerEntry[]; retryMs?: number }> {
    const { slots, jobs, refused, cluster } = this.#options
    const { name } = node.metadata
    if (!start) {
      slots.leave(name)
      return { ledger }
    }
    if (!slots.tryTake(name, start.cache.key, start.urgent, finished))
      return { ledger, retryMs: SLOT_PATIENCE_MS }
    try {
      // Another node is just finding out how the namespace fares.
      if (!refused.mayTry(start.cache.cache.metadata.namespace ?? '', cluster.now()))
        return { ledger, retryMs: SLOT_PATIENCE_MS }
      await jobs.create(start, node, settings, signal)
      return { ledger: pulling(ledger, start, new Date(cluster.now()).toISOString()) }
    } catch (error) {
      if (!isRefusal(error)) throw error
      const now = cluster.now()
      // What is wrong with one Job says nothing about those of other caches.
      if (error.code !== 'Invalid' && error.code !== 'BadRequest') {
        refused.refuse(start.cache.cache.metadata.namespace ?? '', error.message, now)
      }
      return { ledger: refuse(ledger, start, error.message, new Date(now).toISOString()) }
    } finally {
      slots.release(name)
      // Where no Job was made, none will end that wakes who waits for the slot.
      slots.wakeNext()
    }
  }
}

/** Marks the images of a Job that was just made; what is present stays so until something else is proved. */
function pulling(ledger: readonly LedgerEntry[], { name, images }: JobRequest, now: string): LedgerEntry[] {
  const started = new Set(images.map(image => entryKey(image)))
  return ledger.map(entry =>
    entry.state === 'Pending' && started.has(entryKey(entry))
      ? { ...entry, state: 'Pulling', job: jobHash(name), startedAt: now }
      : entry,
  )
}
