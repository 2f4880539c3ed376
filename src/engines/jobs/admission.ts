import type { CircuitBreaker, NamespaceWork } from '../../state/circuit-breaker.ts'
import type { Wait } from '../engine.ts'
import type { JobSlots } from './job-slots.ts'
import type { PullJob } from './pull/index.ts'
import type { RemovalJob } from './removal/index.ts'

/** Delay before a node that waits for a slot tries again, if no Job ends. */
const SLOT_LOOK_MS = 30_000

/** A Job that a node asks to start. */
export interface StartRequest {
  readonly work: NamespaceWork
  readonly nodeName: string
  /** `namespace/name` of the cache that the Job pulls for. Empty for a removal. */
  readonly owner: string
  /** Namespace of the Job. */
  readonly namespace: string
  /** True where one of its images has no attempt yet for the current request. */
  readonly urgent: boolean
  /** Ended Jobs of this node. The new Job takes over their slots. */
  readonly ended: readonly (PullJob | RemovalJob)[]
}

/**
 * Decides whether the cluster has room for a Job: slots, and a namespace that takes Jobs. What a Job waits
 * for at its node is decided before (`nodeWait`).
 */
export class Admission {
  readonly #slots: JobSlots
  readonly #breaker: CircuitBreaker

  constructor(slots: JobSlots, breaker: CircuitBreaker) {
    this.#slots = slots
    this.#breaker = breaker
  }

  /**
   * Returns what the Job waits for. Undefined where the Job may start; it then holds a slot until `done`.
   * A node that waits for a slot is woken when a slot is free.
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

  /** Gives the slot back. Call it when the Job is in the informer's store, or when its creation failed. */
  done(nodeName: string): void {
    this.#slots.release(nodeName)
    // If no Job was created, no Job's end wakes the next node.
    this.#slots.wakeNext()
  }

  /** Takes the node off the waiting list: it has nothing to start. */
  leave(nodeName: string): void {
    this.#slots.leave(nodeName)
  }
}
