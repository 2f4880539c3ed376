import type { KubeObject } from '../../api/object.ts'

/** A Job that uses a slot; one that removes images has no cache. */
type InFlight = KubeObject & { readonly cache?: string }

/** Most Jobs at once where `--jobs-max-surge` is 0. */
const AUTOMATIC_MOST = 100

/** A node that would start a Job and may not yet. */
interface Waiter {
  readonly node: string
  readonly cache: string
  readonly urgent: boolean
}

/**
 * Limits how many pull Jobs are in flight in the whole cluster, and shares them out: images that nobody has tried go
 * before catch-up, retries and refreshes, and the cache with the fewest Jobs in flight is next.
 */
export class JobSlots {
  readonly #inFlight: () => Iterable<InFlight>
  readonly #nodeCount: () => number
  readonly #maxSurge: number
  readonly #wake: (node: string) => void
  readonly #waiting = new Map<string, Waiter>()
  /** Jobs that are being created: not among those in flight yet. */
  readonly #reserved = new Map<string, string>()

  /**
   * @param options.inFlight unfinished pull Jobs
   * @param options.maxSurge 0: as many as nodes, 100 at most
   * @param options.wake called with a node that may try again
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
   * Takes a slot for one Job, or puts the node on the waiting list. A taken slot is given back by `release`.
   *
   * @param ended Jobs of this node that were read to their end: the new one takes over their slots
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

  /** The Job was made and is in the informer's store, or could not be made. */
  release(node: string): void {
    this.#reserved.delete(node)
  }

  /** The node has nothing to start any more. */
  leave(node: string): void {
    this.#waiting.delete(node)
  }

  /** A Job ended: whoever waits and is next may try again. */
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

  /** Slots in use and nodes that wait for one, for a dump. */
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
    return this.#maxSurge > 0 ? this.#maxSurge : Math.min(AUTOMATIC_MOST, Math.max(1, this.#nodeCount()))
  }

  /** Caches of the slots in use, by Job. */
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
