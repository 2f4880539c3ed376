import type { LedgerEntry, NodeImagesSpec } from '../api/node-images.ts'
import type { CompiledCache } from '../core/demand/index.ts'
import type { Circuits, Evidence, OpenWork } from '../core/ledger/index.ts'
import type { Inventory, NodeFacts } from '../core/node/index.ts'

/** One node as an engine sees it. */
export interface NodeView {
  readonly node: NodeFacts
  /** The plan: which images the node must have. */
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

/** The open work of a node, and its limits. */
export interface StepInput extends NodeView {
  /** The ledger with the evidence of the engine in it. */
  readonly ledger: readonly LedgerEntry[]
  readonly open: OpenWork
  readonly circuits: Circuits
  readonly inventory: Inventory
}

/** What open work can wait for, as a closed set. The texts are for the log and the debug dump. */
export const WAITS = {
  /** These end by themselves in the course of a pull. */
  PullRuns: 'a pull Job of this node runs',
  RemovalRuns: 'a removal Job of this node runs',
  PullLimit: "the kubelet's limit on pulls",
  TagDigest: 'the registry is asked for the digest of a moving tag',
  ImagePulled: 'an image that is to be removed is being pulled',
  /** These delay the node. */
  DeletedPod: 'the kubelet finishes the pull of a deleted Pod first',
  JobSlot: 'all Job slots are taken (--jobs-max-surge)',
  NamespaceRefuses: 'the namespace refuses Jobs',
  RegistryTrial: 'another node tries the registry, which does not answer',
} as const

/** What open work waits for. */
export interface Wait {
  readonly reason: keyof typeof WAITS
  /**
   * Time until the next try, in milliseconds, if no event comes earlier.
   * Undefined where an event always comes.
   */
  readonly inMs?: number
}

/** What a step has done. */
export interface Step {
  /** Attempts that were started, and attempts that could not be started. */
  readonly evidence: Evidence
  /** Why open work was not started. */
  readonly wait?: Wait
  /** Time until the next try, in milliseconds, if no event comes earlier. */
  readonly lookAgainMs?: number
}

/**
 * An engine carries out the plan of one node, and reports the results of its attempts.
 * The controller does the rest for all engines: the ledger, pauses, due times, failure reasons.
 *
 * The controller calls `verdicts`, then `step`, writes the ledger, then calls `release`.
 * Each call can be interrupted at any point and repeated: an engine finds its attempts in the cluster,
 * not in its memory.
 */
export interface Engine {
  /** What is on the node. */
  inventory(node: NodeFacts): Inventory
  /** What attempts to pull or to remove have shown. No I/O. */
  verdicts(view: NodeView): Verdicts
  /** Starts the attempts that may be started now. Throws KubeError. */
  step(input: StepInput, signal: AbortSignal): Promise<Step>
  /**
   * Cleans up the ended attempts of `verdicts`. The ledger with their evidence is written. Throws KubeError.
   *
   * @param view the object that `verdicts` was given.
   *   Attempts that have ended since then are not in the ledger, and stay.
   */
  release(view: NodeView, signal: AbortSignal): Promise<{ readonly lookAgainMs?: number }>
  /** Gives the node's turn to other nodes: its reconcile failed, or the node has no work. */
  giveUpTurn(nodeName: string): void
  /** Cleans up after a node that no longer exists. Throws KubeError. */
  forget(nodeName: string, signal: AbortSignal): Promise<void>
}
