import type { KubeObject } from '../../api/object.ts'

/** A Job that uses a slot. A removal Job has no cache. */
type InFlight = KubeObject & { readonly cache?: string }

/** Greatest number of Jobs at the same time where `--jobs-max-surge` is 0. */
const MAX_AUTOMATIC_SLOTS = 100

/** A node that waits for a slot. */
interface Waiter {
  readonly node: string
  readonly cache: string
  readonly urgent: boolean
}

/**
 * Limits the number of Jobs in flight in the whole cluster, and decides which node is next.
 * Images without an attempt come before catch-up, retries and refreshes.
 * The cache with the fewest Jobs in flight is next.
 */
export class JobSlots {
  readonly #inFlight: () => Iterable<InFlight>
  readonly #nodeCount: () => number
  readonly #maxSurge: number
  readonly #wake: (node: string) => void
  readonly #waiting = new Map<string, Waiter>()
  /** Caches of Jobs that are being created, by node. These Jobs are not in flight yet. */
  readonly #reserved = new Map<string, string>()

  /**
   * @param options.inFlight unfinished Jobs
   * @param options.maxSurge greatest number of slots. 0: the number of nodes, at most 100.
   * @param options.wake called with the name of a node that may try again
   */
  constructor(options: {
    inFlight: () => Iterable<InFlight>
    nodeCount: () => number
    maxSurge: number
    wake: (node: string) => void
  }) {
    this.#inFlight = options.inFlight
    this.#nodeCount = options.nodeCount
    this.#maxSurge = options.maxSurge
    this.#wake = options.wake
  }

  /**
   * Takes a slot for one Job. True where a slot was free; `release` gives it back.
   * Else the node is on the waiting list.
   *
   * @param ended ended Jobs of this node. The new Job takes over their slots.
   */
  tryTake(node: string, cache: string, urgent: boolean, ended: readonly InFlight[] = []): boolean {
    const used = this.#used()
    for (const job of ended) used.delete(slotOf(job))
    const free = this.#limit() - used.size
    const ahead = [...this.#waiting.values()].filter(
      waiter => waiter.node !== node && waiter.urgent && !urgent,
    )
    if (free <= ahead.length) {
      this.#waiting.set(node, { node, cache, urgent })
      return false
    }
    this.#waiting.delete(node)
    this.#reserved.set(node, cache)
    return true
  }

  /** Gives the slot back. Call it when the Job is in the informer's store, or when its creation failed. */
  release(node: string): void {
    this.#reserved.delete(node)
  }

  /** Takes the node off the waiting list. */
  leave(node: string): void {
    this.#waiting.delete(node)
  }

  /** Wakes the next waiting nodes, as many as slots are free. Call it when a Job has ended. */
  wakeNext(): void {
    let free = this.#limit() - this.#used().size
    while (free > 0 && this.#waiting.size > 0) {
      const next = this.#next()
      if (!next) return
      this.#waiting.delete(next.node)
      this.#wake(next.node)
      free -= 1
    }
  }

  /** Slots in use and waiting nodes, for the debug dump. */
  dump(): object {
    return {
      limit: this.#limit(),
      used: Object.fromEntries(this.#used()),
      waiting: [...this.#waiting.values()],
    }
  }

  #next(): Waiter | undefined {
    const load = new Map<string, number>()
    for (const cache of this.#used().values()) load.set(cache, (load.get(cache) ?? 0) + 1)
    return [...this.#waiting.values()].toSorted(
      (a, b) => Number(b.urgent) - Number(a.urgent) || (load.get(a.cache) ?? 0) - (load.get(b.cache) ?? 0),
    )[0]
  }

  #limit(): number {
    if (this.#maxSurge > 0) return this.#maxSurge
    return Math.min(MAX_AUTOMATIC_SLOTS, Math.max(1, this.#nodeCount()))
  }

  /** The cache of each slot in use, by Job. */
  #used(): Map<string, string> {
    const used = new Map<string, string>()
    for (const job of this.#inFlight()) used.set(slotOf(job), job.cache ?? '')
    for (const [node, cache] of this.#reserved) used.set(`reserved ${node}`, cache)
    return used
  }
}

function slotOf(job: InFlight): string {
  return `${job.metadata.namespace ?? ''}/${job.metadata.name}`
}
