import type { LedgerEntry, NodeImages } from '../../api/node-images.ts'
import { InvalidRequestError } from '../../cri/removal/index.ts'
import { type PullJob, imagesInPullJobs } from './pull/index.ts'
import {
  type RemovalDecision,
  type RemovalSettings,
  decideRemoval,
  refuseRemoval,
  removing,
} from './removal/index.ts'
import type { Logger } from '../../kube/index.ts'
import { type NodeFacts, skipReason } from '../../core/node/index.ts'
import { keptReferences } from '../../core/plan/index.ts'
import { isRefusal } from './job-refusal.ts'
import type { JobWriter } from './job-writer.ts'
import type { RefusedNamespaces } from './refused-namespaces.ts'
import type { JobSlots } from './job-slots.ts'
import type { ClusterState } from '../../state/cluster-state.ts'

/** How soon a node that may not start a Job looks again, should nobody wake it. */
const SLOT_PATIENCE_MS = 30_000

/** What removals work with. */
export interface RemoverOptions {
  readonly cluster: ClusterState
  readonly jobs: JobWriter
  readonly slots: JobSlots
  readonly refused: RefusedNamespaces
  readonly settings: RemovalSettings
  /** Images of the operator itself, which stay wherever they are. */
  readonly ownImages: readonly string[]
  readonly log: Logger
}

/** Removes from nodes what is to go: gathers for the decision and carries it out. Called by the reconciler of nodes. */
export class Remover {
  readonly #options: RemoverOptions

  constructor(options: RemoverOptions) {
    this.#options = options
  }

  /** A removal Job that is pinned to the node has not been read and deleted yet. */
  isRunning(node: NodeFacts): boolean {
    return this.#options.cluster
      .removalJobsOf(node.metadata.name)
      .some(job => job.nodeUid === node.metadata.uid && !job.metadata.deletionTimestamp)
  }

  /** Finished Jobs that are retained for their logs, and whose Pods keep in use what shall go. */
  inTheWay(node: NodeFacts, nodeImages: NodeImages): PullJob[] {
    const removals = (nodeImages.spec?.remove ?? []).filter(({ stays }) => stays === undefined)
    const going = new Set(removals.map(({ image }) => image))
    if (going.size === 0) return []
    const jobs = this.#options.cluster.jobsOf(node.metadata.name)
    return jobs.filter(job => job.finished && job.images.some(image => going.has(image)))
  }

  /** Decides about a node's removals. */
  decide(node: NodeFacts, nodeImages: NodeImages, ledger: readonly LedgerEntry[]): RemovalDecision {
    const { cluster, jobs, settings, ownImages } = this.#options
    const { name } = node.metadata
    const now = cluster.now()
    const removals = nodeImages.spec?.remove ?? []
    return decideRemoval({
      node,
      removals,
      ledger,
      keep: removals.length > 0 ? [...keptReferences(node, cluster.compiledCaches()), ...ownImages] : [],
      jobs: cluster.removalJobsOf(name),
      pods: cluster.removalPodsOf(name),
      pulling: imagesInPullJobs(cluster.jobsOf(name), cluster.podsOf(name), now),
      eligible: skipReason(node, { images: [] }) === undefined,
      refusals: jobs.explanations,
      settings,
      now,
    })
  }

  /** Starts the Job that was decided on, if there is a slot for it. Answers the ledger that follows. */
  async start(
    { start, ledger, finished }: RemovalDecision,
    node: NodeFacts,
    signal: AbortSignal,
  ): Promise<{
    readonly ledger: readonly LedgerEntry[]
    /** The node has started one, or waits for a slot: nothing else may start on it. */
    readonly busy: boolean
    readonly retryMs?: number
  }> {
    const { cluster, jobs, slots, refused, settings } = this.#options
    if (!start) return { ledger, busy: false }
    const { name } = node.metadata
    const now = cluster.now()
    const at = new Date(now).toISOString()
    const words = refused.messageFor(settings.namespace, now)
    const refusedWith = (reason: 'JobRefused' | 'RemovalFailed', message: string) => ({
      ledger: refuseRemoval(ledger, start, { reason, message }, at),
      busy: false,
    })
    if (words !== undefined) return refusedWith('JobRefused', words)
    if (!slots.tryTake(name, '', false, finished)) {
      return { ledger, busy: true, retryMs: SLOT_PATIENCE_MS }
    }
    try {
      // Another node is just finding out how the namespace fares.
      if (!refused.mayTry(settings.namespace, now)) return { ledger, busy: false, retryMs: SLOT_PATIENCE_MS }
      await jobs.createRemoval(start, node, settings, signal)
      return { ledger: removing(ledger, start, at), busy: true }
    } catch (error) {
      // What others want on this node is more than one request holds: that shall not hold up the node's pulls.
      if (error instanceof InvalidRequestError) return refusedWith('RemovalFailed', error.message)
      if (!isRefusal(error)) throw error
      refused.refuse(settings.namespace, error.message, now)
      return refusedWith('JobRefused', error.message)
    } finally {
      slots.release(name)
      // Where no Job was made, none will end that wakes who waits for the slot.
      slots.wakeNext()
    }
  }
}
