import type { KubeObject } from '../../api/object.ts'

/** A Job that uses a slot. A removal Job has no cache. */
type InFlight = KubeObject & { readonly cache?: string }

/** Who uses a slot. Removals have no cache and a share of their own. */
interface User {
  readonly namespace: string
  readonly cache: string
}

/** Greatest number of Jobs at the same time where `--jobs-max-surge` is 0. */
const MAX_AUTOMATIC_SLOTS = 100

/** What slots are counted by. */
interface JobSlotsOptions {
  /** Unfinished Jobs. */
  readonly inFlight: () => Iterable<InFlight>
  readonly nodeCount: () => number
  /** Greatest number of slots. 0: the number of nodes, at most 100. */
  readonly maxSurge: number
  /** True where caches of more than one namespace exist. */
  readonly isShared: () => boolean
  /** Called with the name of a node that may try again. */
  readonly wake: (node: string) => void
}

/** Share of the slots that others leave which one namespace may take, where caches of several exist. */
const NAMESPACE_SHARE = 0.75
/** Slots that a namespace gets for first pulls while another one gets one for catch-up and refreshes. */
const URGENT_WEIGHT = 4

/** What slots are counted by. */
interface JobSlotsOptions {
  /** Unfinished Jobs. */
  readonly inFlight: () => Iterable<InFlight>
  readonly nodeCount: () => number
  /** Greatest number of slots. 0: the number of nodes, at most 100. */
  readonly maxSurge: number
  /** True where caches of more than one namespace exist. */
  readonly isShared: () => boolean
  /** Called with the name of a node that may try again. */
  readonly wake: (node: string) => void
}

/** A node that waits for a slot. */
interface Waiter extends User {
  readonly node: string
  readonly urgent: boolean
}

/**
 * Limits the number of Jobs in flight in the whole cluster, and decides which node is next.
 * Namespaces share the slots: one whose pulls never end leaves some to the others, and the namespace with the
 * fewest Jobs is next. Images without an attempt weigh more than catch-up, retries and refreshes, but never
 * stop those of another namespace. Within a namespace the cache with the fewest Jobs is next.
 */
export class JobSlots {
  readonly #options: JobSlotsOptions
  readonly #waiting = new Map<string, Waiter>()
  /** Users of Jobs that are being created, by node. These Jobs are not in flight yet. */
  readonly #reserved = new Map<string, User>()

  constructor(options: JobSlotsOptions) {
    this.#options = options
  }

  /**
   * Takes a slot for one Job. True where a slot was free; `release` gives it back.
   * Else the node is on the waiting list.
   *
   * @param cache `namespace/name`. Empty for a removal.
   * @param ended ended Jobs of this node. The new Job takes over their slots.
   */
  tryTake(node: string, cache: string, urgent: boolean, ended: readonly InFlight[] = []): boolean {
    const used = this.#used()
    for (const job of ended) used.delete(slotOf(job))
    const load = this.#load(used.values())
    const me: Waiter = { node, urgent, cache, namespace: namespaceOf(cache) }
    let free = load.limit - load.size
    for (const waiter of this.#waiting.values()) {
      const isAhead = waiter.node !== node && load.order(waiter, me) < 0 && load.mayGrow(waiter)
      if (isAhead) free -= 1
    }
    if (free <= 0 || !load.mayGrow(me)) {
      this.#waiting.set(node, me)
      return false
    }
    this.#waiting.delete(node)
    this.#reserved.set(node, me)
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
    if (this.#waiting.size === 0) return
    const load = this.#load(this.#used().values())
    for (let free = load.limit - load.size; free > 0; free--) {
      const next = this.#next(load)
      if (!next) return
      this.#waiting.delete(next.node)
      load.add(next)
      this.#options.wake(next.node)
    }
  }

  /** Slots in use and waiting nodes, for the debug dump. */
  dump(): object {
    return {
      limit: this.#limit(),
      used: Object.fromEntries([...this.#used()].map(([slot, { cache }]) => [slot, cache])),
      waiting: [...this.#waiting.values()].map(({ node, cache, urgent }) => ({ node, cache, urgent })),
    }
  }

  #next(load: Load): Waiter | undefined {
    let first: Waiter | undefined
    for (const waiter of this.#waiting.values()) {
      if (!load.mayGrow(waiter)) continue
      if (!first || load.order(waiter, first) < 0) first = waiter
    }
    return first
  }

  #load(users: Iterable<User>): Load {
    const load = new Load(this.#limit(), this.#options.isShared())
    for (const user of users) load.add(user)
    return load
  }

  #limit(): number {
    const { maxSurge, nodeCount } = this.#options
    if (maxSurge > 0) return maxSurge
    return Math.min(MAX_AUTOMATIC_SLOTS, Math.max(1, nodeCount()))
  }

  /** Who uses each slot, by Job. */
  #used(): Map<string, User> {
    const used = new Map<string, User>()
    for (const job of this.#options.inFlight()) {
      const { cache = '' } = job
      used.set(slotOf(job), { cache, namespace: namespaceOf(cache) })
    }
    for (const [node, user] of this.#reserved) used.set(`reserved ${node}`, user)
    return used
  }
}

/** How many slots namespaces and caches use. */
class Load {
  readonly #namespaces = new Map<string, number>()
  readonly #caches = new Map<string, number>()
  readonly limit: number
  readonly #isShared: boolean
  size = 0

  constructor(limit: number, isShared: boolean) {
    this.limit = limit
    this.#isShared = isShared
  }

  add({ namespace, cache }: User): void {
    this.#namespaces.set(namespace, this.#ofNamespace(namespace) + 1)
    this.#caches.set(cache, (this.#caches.get(cache) ?? 0) + 1)
    this.size += 1
  }

  /** False where the namespace has its share of the slots. */
  mayGrow({ namespace }: User): boolean {
    if (!this.#isShared) return true
    const own = this.#ofNamespace(namespace)
    return own < Math.ceil((this.limit - (this.size - own)) * NAMESPACE_SHARE)
  }

  /** Less than 0 where `a` is to get a slot before `b`. 0 where they are equal: who came first is first. */
  order(a: Waiter, b: Waiter): number {
    if (a.namespace !== b.namespace) {
      return this.#turn(a) - this.#turn(b) || Number(b.urgent) - Number(a.urgent)
    }
    const load = (cache: string) => this.#caches.get(cache) ?? 0
    return Number(b.urgent) - Number(a.urgent) || load(a.cache) - load(b.cache)
  }

  #ofNamespace(namespace: string): number {
    return this.#namespaces.get(namespace) ?? 0
  }

  #turn({ namespace, urgent }: Waiter): number {
    return (this.#ofNamespace(namespace) + 1) * (urgent ? 1 : URGENT_WEIGHT)
  }
}

function namespaceOf(cache: string): string {
  return cache.slice(0, Math.max(0, cache.indexOf('/')))
}

function slotOf(job: InFlight): string {
  return `${job.metadata.namespace ?? ''}/${job.metadata.name}`
}
