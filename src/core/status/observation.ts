import type { Failure, ImageStatus } from '../../api/image-cache.ts'
import type { SkipReason } from '../../api/skip-reasons.ts'

/** Nodes that are listed for one failed image. */
export const FAILED_NODES = 10
/** Nodes named as examples of a skip reason, or of an image that stays. */
export const EXAMPLE_NODES = 3

/** Failures of one image. */
export interface ImageFailures {
  /** At most `FAILED_NODES` of them. */
  readonly listed: readonly Failure[]
  readonly total: number
}

/** An image that was to be removed and stays, for one reason. */
export interface KeptOnNodes {
  readonly image: string
  /** A kept reason, or why a node gets no work now. */
  readonly reason: string
  /** Message of an example that has one. */
  readonly message: string
  readonly count: number
  /** Names of at most `EXAMPLE_NODES` nodes. */
  readonly examples: readonly string[]
}

/** What the nodes and their ledgers say about one cache. */
export interface Observation {
  readonly nodes: { readonly desired: number; readonly ready: number; readonly skipped: number }
  readonly skipped: ReadonlyMap<SkipReason, { readonly count: number; readonly examples: readonly string[] }>
  /** In the order of the spec. */
  readonly images: readonly ImageStatus[]
  /** In the order of the spec. Failed removals of other images come last. */
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
