import type { LedgerEntry, NodeImagesSpec } from '../api/node-images.ts'
import type { CompiledCache } from '../core/demand/index.ts'
import type { Circuits, Evidence, OpenWork } from '../core/ledger/index.ts'
import type { Inventory, NodeFacts } from '../core/node/index.ts'

/** One node as an engine sees it. */
export interface NodeView {
  readonly node: NodeFacts
  /** The plan: what the node is to hold. */
  readonly plan: NodeImagesSpec
  /** The ledger as it is stored. */
  readonly ledger: readonly LedgerEntry[]
  /** Caches by owner hash. */
  readonly caches: ReadonlyMap<string, CompiledCache>
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** What attempts have shown. */
export interface Verdicts {
  readonly evidence: Evidence
  /** Attempts that ended and were not recorded before. */
  readonly ended: number
  /** When time alone may show more, in milliseconds from now. */
  readonly lookAgainMs?: number
}

/** What a node is to do, and what limits it. */
export interface StepInput extends NodeView {
  /** The ledger with the evidence of the engine in it. */
  readonly ledger: readonly LedgerEntry[]
  readonly open: OpenWork
  readonly circuits: Circuits
  readonly inventory: Inventory
}

/** What open work can wait for: a closed table, for the log and the dump. */
export const WAITS = {
  /** Ends by itself in the course of a pull. */
  PullRuns: 'a pull Job of this node runs',
  RemovalRuns: 'a removal Job of this node runs',
  PullLimit: "the kubelet's limit on pulls",
  TagDigest: 'the registry is asked for the digest of a moving tag',
  ImagePulled: 'an image that is to be removed is being pulled',
  /** Something holds the node back. */
  PodNotMade: 'kube-controller-manager has not made the Pod of a Job yet',
  QuotaBusy: 'another request changed a quota of the namespace at the same moment',
  DeletedPod: 'the kubelet finishes the pull of a deleted Pod first',
  JobSlot: 'all Job slots are taken (--jobs-max-surge)',
  NamespaceRefuses: 'the namespace refuses Jobs',
  RegistryTrial: 'another node tries the registry, which does not answer',
} as const

/** What open work waits for. */
export interface Wait {
  readonly reason: keyof typeof WAITS
  /** When to try again should no event come before, in milliseconds from now. Absent: an event comes. */
  readonly inMs?: number
}

/** What a step has done. */
export interface Step {
  /** Attempts that were started, and attempts that could not be started. */
  readonly evidence: Evidence
  /** Why open work was not started. */
  readonly wait?: Wait
  /** When to try again, in milliseconds from now, should no event come before. */
  readonly lookAgainMs?: number
}

/**
 * An engine makes the plan of one node true, and tells what it has learned. The rest is shared by all
 * engines: recording, pauses, due times, failure reasons.
 *
 * The controller calls `verdicts`, then `step`, writes the ledger, then calls `release`. Each call can be
 * cut off at any point and made again: an engine finds its attempts in the cluster, not in its memory.
 */
export interface Engine<V extends Verdicts = Verdicts> {
  /** What is on the node. */
  inventory(node: NodeFacts): Inventory
  /** What attempts to pull or to remove have shown. No I/O. */
  verdicts(view: NodeView): V
  /** Starts at most what may be started now. Throws KubeError. */
  step(input: StepInput, verdicts: V, signal: AbortSignal): Promise<Step>
  /**
   * Cleans up the attempts that ended in `verdicts`: the ledger has them now. An attempt that has ended
   * since is not in the ledger, and stays. Throws KubeError.
   */
  release(view: NodeView, verdicts: V, signal: AbortSignal): Promise<void>
  /** The reconcile of the node failed, or nobody wants anything of it: other nodes take its turn. */
  giveUpTurn(nodeName: string): void
  /** The node is gone. Throws KubeError. */
  forget(nodeName: string, signal: AbortSignal): Promise<void>
}
