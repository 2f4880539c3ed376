import type { FailureReasonName } from '../../api/failure-reasons.ts'
import type { KeptReason } from '../../api/kept-reasons.ts'

/** What an engine has learned of one attempt to pull one image. */
export type PullVerdict =
  /** Nothing yet: the attempt runs. */
  | { readonly kind: 'pulling' }
  /** The node holds the image. */
  | { readonly kind: 'present'; readonly digest?: string }
  /** The image could not be pulled. */
  | {
      readonly kind: 'failed'
      readonly reason: FailureReasonName
      readonly message: string
      /**
       * The registry was asked although the image may be on the node: a failure does not prove its absence.
       */
      readonly askedRegistry?: true
    }
  /** Nothing was learned, and nothing is wrong with the image. The attempt is repeated as it was. */
  | { readonly kind: 'unknown'; readonly message: string }
  /**
   * An attempt at several images failed, and the cause may be another image. This one is tried on its own.
   */
  | { readonly kind: 'unproven' }

/** What an engine has learned of one attempt to remove one image. */
export type RemovalVerdict =
  | { readonly kind: 'removing' }
  | { readonly kind: 'removed' }
  /** It stays on the node. */
  | { readonly kind: 'kept'; readonly reason: KeptReason; readonly message: string }
  | { readonly kind: 'failed'; readonly reason: FailureReasonName; readonly message: string }

/** Facts about one attempt. */
export interface AttemptFacts {
  /** Name of the attempt, unique at its engine. */
  readonly id: string
  /** Newest request that it answers. */
  readonly revision: number
  /** RFC 3339. */
  readonly startedAt: string
}

/** One piece of evidence about a pull. */
export interface PullEvidence extends AttemptFacts {
  /** Key of the ledger entry. */
  readonly key: string
  readonly verdict: PullVerdict
  /**
   * Short hash of the UID of the cache that the attempt was made for. A failure counts for its images only.
   */
  readonly owner: string
}

/** One piece of evidence about a removal. */
export interface RemovalEvidence extends AttemptFacts {
  readonly key: string
  readonly verdict: RemovalVerdict
}

/** All that an engine has learned about one node. The oldest attempt comes first. */
export interface Evidence {
  readonly pulls: readonly PullEvidence[]
  readonly removals: readonly RemovalEvidence[]
}

/** No evidence. */
export const NO_EVIDENCE: Evidence = { pulls: [], removals: [] }
