import type { KubeObject } from './object.ts'
import { silentLogger } from '../base/logger.ts'
import { INFORMER_TIMING, type InformerOptions } from './informer-options.ts'
import { Reflector } from './reflector.ts'
import { Replica } from './replica.ts'
import type { Resource } from './resource.ts'
import { type ChangeHandler, Store } from './store.ts'
import { orAborted } from './wait.ts'

/** The part of an informer that shows whether its watch works. */
export type WatchLiveness = Pick<Informer<KubeObject>, 'plural' | 'inactiveMs'>

/**
 * Keeps a copy of a collection up to date and notifies subscribers of each change. Follows client-go's
 * informer. It runs until its signal fires. What it missed, such as a deletion while it was cut off, it learns
 * from the next list.
 */
export class Informer<T extends KubeObject, R extends KubeObject = T> {
  readonly #resource: Resource<KubeObject>
  readonly #store: Store<T>
  readonly #replica: Replica<T>
  readonly #reflector: Reflector
  readonly #synced = Promise.withResolvers<void>()
  #hasSynced = false

  constructor(resource: Resource<T>, options?: InformerOptions<T> & { readonly project?: undefined })
  constructor(resource: Resource<R>, options: InformerOptions<T, R>)
  constructor(resource: Resource<KubeObject>, options: InformerOptions<T, R> = {}) {
    const { namespace, labelSelector, fieldSelector, log = silentLogger } = options
    this.#resource = resource
    this.#store = new Store(options.indexers ?? {}, log)
    // The resource returns R, which equals T when there is no projection. The overloads ensure this.
    this.#replica = new Replica(this.#store, (options.project ?? (raw => raw)) as (raw: KubeObject) => T)
    this.#reflector = new Reflector({
      resource,
      selection: { namespace, labelSelector, fieldSelector },
      replica: this.#replica,
      timing: { ...INFORMER_TIMING, ...options.timing },
      onList: () => {
        this.#hasSynced = true
        this.#synced.resolve()
        log.debug({ resource: this.plural, objects: this.size }, 'listed')
      },
      log,
    })
  }

  /** True after the first full list. */
  get hasSynced(): boolean {
    return this.#hasSynced
  }

  /** Plural name of the resource, such as `nodes`. */
  get plural(): string {
    return this.#resource.def.plural
  }

  /**
   * Milliseconds since the loop's last activity: an event, a bookmark or a retry. Each watch ends within
   * minutes, with or without an API server, so a long inactivity means that the loop is stuck.
   */
  get inactiveMs(): number {
    return this.#reflector.inactiveMs
  }

  /** Number of cached objects. */
  get size(): number {
    return this.#store.size
  }

  /** The object with this key: `namespace/name`, or `name` for a cluster-scoped object. */
  get(key: string): T | undefined {
    return this.#store.get(key)
  }

  /** All cached objects. A caller that awaits between two of them needs a copy. */
  list(): Iterable<T> {
    return this.#store.values()
  }

  /** The objects with this value in the named index. Throws RangeError for an unknown index. */
  byIndex(index: string, value: string): readonly T[] {
    return this.#store.byIndex(index, value)
  }

  /**
   * Calls the handler with each cached object as `added`, then with each change. An error of the handler is
   * logged and stops nothing.
   */
  subscribe(handler: ChangeHandler<T>): void {
    this.#store.subscribe(handler)
  }

  /**
   * Adds the (projected) object of a write's answer before the watch delivers it (read-your-writes). It has
   * no effect when the watch has passed this version, so a deleted object does not return. The object must
   * match the informer's selectors.
   */
  upsert(object: T): void {
    this.#replica.upsert(object)
  }

  /** Resolves after the first full list. Rejects with KubeError `Aborted` when the signal fires first. */
  waitForSync(signal: AbortSignal): Promise<void> {
    return orAborted(this.#synced.promise, signal, `wait for ${this.#resource.def.plural}`)
  }

  /** Lists and watches until the signal fires. Call it once. */
  run(signal: AbortSignal): Promise<void> {
    return this.#reflector.run(signal)
  }
}
