import type { CircuitBreaker, NamespaceWork } from '../../state/circuit-breaker.ts'
import type { Wait } from '../engine.ts'
import type { JobSlots } from './job-slots.ts'
import type { PullJob } from './pull/index.ts'
import type { RemovalJob } from './removal/index.ts'

/** How soon a node that waits for a slot looks again, should no Job end. */
const SLOT_LOOK_MS = 30_000

/** A Job that is to be started. */
export interface StartRequest {
  readonly work: NamespaceWork
  readonly nodeName: string
  /** `namespace/name` of the cache that it is for. Empty: a removal. */
  readonly owner: string
  /** Namespace of the Job. */
  readonly namespace: string
  /** Nobody has tried its images. */
  readonly urgent: boolean
  /** Jobs of this node that were read to their end. The new Job takes over their slots. */
  readonly ended: readonly (PullJob | RemovalJob)[]
}

/**
 * Decides whether the cluster has room for a Job: slots, and a namespace that takes Jobs. What a Job waits for at its node
 * is decided before (`nodeWait`).
 */
export class Admission {
  readonly #slots: JobSlots
  readonly #breaker: CircuitBreaker

  constructor(slots: JobSlots, breaker: CircuitBreaker) {
    this.#slots = slots
    this.#breaker = breaker
  }

  /**
   * Undefined where the Job may start: it holds a slot until `done`. Else what it waits for. A node that waits for a slot
   * is woken when a slot is free.
   */
  mayStart({ work, nodeName, owner, namespace, urgent, ended }: StartRequest, now: number): Wait | undefined {
    if (!this.#slots.tryTake(nodeName, owner, urgent, ended)) {
      return { reason: 'JobSlot', inMs: SLOT_LOOK_MS }
    }
    const until = this.#breaker.enterNamespace(work, namespace, now)
    if (until === undefined) return undefined
    this.done(nodeName)
    return { reason: 'NamespaceRefuses', inMs: until - now }
  }

  /** The Job is in the informer's store, or could not be made. */
  done(nodeName: string): void {
    this.#slots.release(nodeName)
    // A Job that was not made never ends, so its end wakes nobody.
    this.#slots.wakeNext()
  }

  /** The node has nothing to start. */
  leave(nodeName: string): void {
    this.#slots.leave(nodeName)
  }
}
