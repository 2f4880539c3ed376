import type { LedgerEntry, Removal } from '../../../api/node-images.ts'
import type { NodeFacts } from '../../../core/node/index.ts'
import type { RemovalJob, RemovalPod } from './removal-job.ts'

/** Settings of removal Jobs. */
export interface RemovalSettings {
  /** The controller's own namespace, where these Jobs are. */
  readonly namespace: string
  /** Reference of the image that speaks CRI. */
  readonly criClientImage: string
  /** Names of the Secrets that it is pulled with. */
  readonly helperPullSecrets: readonly string[]
  /** Path of the runtime's socket on all nodes; empty: found by what the node says that it runs. */
  readonly criSocketPath: string
  readonly hostNetwork: boolean
  /** For one Job, in milliseconds. */
  readonly deadlineMs: number
  readonly priorityClassName?: string
}

/** Everything that one decision about removals from one node is made from. */
export interface RemovalWork {
  readonly node: NodeFacts
  readonly removals: readonly Removal[]
  /** As decided by the Job engine just now. */
  readonly ledger: readonly LedgerEntry[]
  /** What must stay on the node. */
  readonly keep: readonly string[]
  /** Removal Jobs pinned to this node. */
  readonly jobs: readonly RemovalJob[]
  readonly pods: readonly RemovalPod[]
  /** Images that pull Jobs or their Pods have in hand: in use, or about to come back. */
  readonly pulling: ReadonlySet<string>
  /** The node may have work now. */
  readonly eligible: boolean
  /** Why a Job has no Pod, in the API server's words, by Job UID; present once asked. */
  readonly refusals: ReadonlyMap<string, string>
  readonly settings: RemovalSettings
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** A removal Job to be made. */
export interface RemovalRequest {
  readonly name: string
  readonly keys: readonly string[]
  readonly remove: readonly string[]
  readonly keep: readonly string[]
  readonly requestedAt: string
}

/** What is to be done for a node. Applying it twice does no harm. */
export interface RemovalDecision {
  /** The whole new ledger. */
  readonly ledger: readonly LedgerEntry[]
  /** Jobs that may go once the ledger is written. */
  readonly finished: readonly RemovalJob[]
  /** Jobs whose missing Pod is to be explained. */
  readonly unexplained: readonly RemovalJob[]
  readonly start?: RemovalRequest
  /** When to look again although nothing changed, in milliseconds from now. */
  readonly lookAgainMs?: number
}
