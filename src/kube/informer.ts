import type { KubeObject } from './object.ts'
import { isKubeError, KubeError } from './errors.ts'
import {
  INFORMER_TIMING,
  type InformerOptions,
  type InformerTiming,
  selectionOf,
  watchOptionsOf,
} from './informer-options.ts'
import { type Logger, silentLogger } from '../base/logger.ts'
import type { Resource, Selection } from './resource.ts'
import { type ChangeHandler, isNewer, keyOf, Store } from './store.ts'
import { JitteredBackoff } from '../base/jittered-backoff.ts'
import { orAborted, sleep } from './wait.ts'
import type { WatchEvent } from './watch.ts'

const PAGE_SIZE = 500
const BACKOFF_BASE_MS = 200
const BACKOFF_CAP_MS = 30_000
/** A watch that ends earlier than this without an event counts as failed (client-go: "very short watch"). */
const SHORT_WATCH_MS = 1000
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end'

/** The part of an informer that shows whether its watch works. */
export type WatchLiveness = Pick<Informer<KubeObject>, 'plural' | 'inactiveMs'>

/**
 * Keeps a copy of a collection up to date and notifies subscribers of each change. Follows client-go's
 * reflector and informer.
 *
 * It starts with a watch-list (KEP-3157), or with a paged LIST on a server without watch-list. Then it
 * watches from the last resourceVersion. After 410 Gone it compares a fresh list with its copy, so that it
 * also notices deletions in the gap. It runs until its signal fires.
 */
export class Informer<T extends KubeObject, R extends KubeObject = T> {
  readonly #resource: Resource<KubeObject>
  readonly #options: Selection
  readonly #timing: InformerTiming
  readonly #project: (raw: KubeObject) => T
  readonly #log: Logger
  readonly #store: Store<T>
  readonly #synced = Promise.withResolvers<void>()
  readonly #backoff = new JitteredBackoff(BACKOFF_BASE_MS, BACKOFF_CAP_MS)
  #hasSynced = false
  /** Time of the loop's last activity, on the monotonic clock. */
  #activeAt = performance.now()
  /** Time from which a watch-list is tried, on the monotonic clock. */
  #watchListFrom = -Infinity
  /** The next list is the truth, although its versions are older: etcd was restored from a backup. */
  #isRewound = false
  /** The store contains all changes up to this resourceVersion. */
  #progress: string | undefined
  /** resourceVersion at which the next watch starts. Undefined: start with a list. */
  #resumeFrom: string | undefined

  constructor(resource: Resource<T>, options?: InformerOptions<T> & { readonly project?: undefined })
  constructor(resource: Resource<R>, options: InformerOptions<T, R>)
  constructor(resource: Resource<KubeObject>, options: InformerOptions<T, R> = {}) {
    this.#resource = resource
    this.#options = options
    this.#timing = { ...INFORMER_TIMING, ...options.timing }
    // The resource returns R, which equals T when there is no projection. The overloads ensure this.
    this.#project = (options.project ?? (raw => raw)) as (raw: KubeObject) => T
    this.#log = options.log ?? silentLogger
    this.#store = new Store(options.indexers ?? {}, this.#log)
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
    return performance.now() - this.#activeAt
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
    // The store contains every change up to #progress. An older object that is not in the store was deleted.
    if (this.#progress !== undefined && !isNewer(object.metadata.resourceVersion, this.#progress)) return
    this.#store.put(object)
  }

  /** Resolves after the first full list. Rejects with KubeError `Aborted` when the signal fires first. */
  waitForSync(signal: AbortSignal): Promise<void> {
    return orAborted(this.#synced.promise, signal, `wait for ${this.#resource.def.plural}`)
  }

  /** Lists and watches until the signal fires. Call it once. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#activeAt = performance.now()
      try {
        await this.#listAndWatch(signal)
      } catch (error) {
        if (signal.aborted) return
        await this.#recover(error, signal)
      }
    }
  }

  async #listAndWatch(signal: AbortSignal): Promise<void> {
    if (this.#resumeFrom !== undefined) await this.#watchFrom(this.#resumeFrom, signal)
    else if (performance.now() >= this.#watchListFrom) await this.#watchFromList(signal)
    else await this.#listPages(signal)
  }

  /** LIST in pages, for a server without watch-list. */
  async #listPages(signal: AbortSignal): Promise<void> {
    const seen = new Set<string>()
    let next: string | undefined
    let resourceVersion = ''
    do {
      const page = await this.#resource.list({
        ...selectionOf(this.#options),
        limit: PAGE_SIZE,
        continue: next,
        signal,
      })
      for (const raw of page.items) seen.add(this.#put(raw))
      resourceVersion = page.resourceVersion
      next = page.continue
    } while (next !== undefined)
    this.#finishList(seen, resourceVersion)
  }

  /** A watch that starts with the full collection. */
  async #watchFromList(signal: AbortSignal): Promise<void> {
    const ignored = new AbortController()
    const timer = setTimeout(() => ignored.abort(), this.#timing.initialSilenceMs)
    let seen: Set<string> | undefined = new Set<string>()
    try {
      const events = this.#resource.watch({
        ...watchOptionsOf(this.#options, this.#timing, AbortSignal.any([signal, ignored.signal])),
        sendInitialEvents: true,
      })
      for await (const event of events) {
        if (seen === undefined) {
          this.#apply(event)
        } else if (event.type === 'BOOKMARK') {
          clearTimeout(timer)
          if (event.object.metadata.annotations?.[INITIAL_EVENTS_END] !== 'true') {
            this.#giveUpWatchList('a bookmark came before the end of the initial events')
            return
          }
          if (!this.#finishList(seen, event.object.metadata.resourceVersion ?? '')) return
          seen = undefined
        } else {
          timer.refresh()
          this.#applyInitial(event, seen)
        }
      }
      if (seen !== undefined)
        throw new KubeError('Unreachable', 'the watch ended before the end of its initial events')
    } catch (error) {
      if (signal.aborted || seen === undefined) throw error
      if (ignored.signal.aborted) this.#giveUpWatchList('no initial events came')
      else if (isKubeError(error, 'BadRequest', 'Invalid')) this.#giveUpWatchList(error.message)
      else throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async #watchFrom(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const startedAt = performance.now()
    let events = 0
    for await (const event of this.#resource.watch({
      ...watchOptionsOf(this.#options, this.#timing, signal),
      resourceVersion,
    })) {
      events++
      this.#apply(event)
    }
    if (events === 0 && performance.now() - startedAt < SHORT_WATCH_MS) {
      throw new KubeError('Unreachable', `the watch of ${this.#resource.def.plural} ended at once`)
    }
  }

  /** Stores a raw object and returns its key. */
  #put(raw: KubeObject): string {
    const object = this.#project(raw)
    this.#store.put(object, this.#isRewound)
    return keyOf(object)
  }

  #applyInitial(event: Exclude<WatchEvent<KubeObject>, { type: 'BOOKMARK' }>, seen: Set<string>): void {
    if (event.type !== 'DELETED') {
      seen.add(this.#put(event.object))
      return
    }
    seen.delete(keyOf(event.object))
    this.#remove(event.object)
  }

  #apply(event: WatchEvent<KubeObject>): void {
    this.#activeAt = performance.now()
    if (event.type === 'DELETED') this.#remove(event.object)
    else if (event.type !== 'BOOKMARK') this.#put(event.object)
    const { resourceVersion } = event.object.metadata
    if (resourceVersion) this.#advance(resourceVersion)
    this.#backoff.reset()
  }

  #remove(raw: KubeObject): void {
    const last = this.#project(raw)
    const key = keyOf(last)
    const held = this.#store.get(key)
    // The store may already hold the next object of this name, from `upsert`.
    const successor =
      held?.metadata.uid !== last.metadata.uid &&
      isNewer(held?.metadata.resourceVersion, last.metadata.resourceVersion)
    if (!successor) this.#store.delete(key, last)
  }

  /** False where the list has to be read once more, as the truth. */
  #finishList(seen: ReadonlySet<string>, resourceVersion: string): boolean {
    // A list shows the newest state. It is older than what was seen before where etcd was restored.
    if (!this.#isRewound && isNewer(this.#progress, resourceVersion)) {
      this.#log.warn(this.#fields({ resourceVersion }), 'the API server went back in time: listing again')
      this.#isRewound = true
      this.#resumeFrom = undefined
      return false
    }
    for (const key of this.#store.keys()) {
      // An object written after the list is missing in the list, but exists.
      const writtenSince =
        !this.#isRewound && isNewer(this.#store.get(key)?.metadata.resourceVersion, resourceVersion)
      if (!seen.has(key) && !writtenSince) this.#store.delete(key)
    }
    this.#isRewound = false
    this.#advance(resourceVersion)
    this.#hasSynced = true
    this.#synced.resolve()
    this.#log.debug(this.#fields({ objects: this.#store.size, resourceVersion }), 'listed')
    return true
  }

  #advance(resourceVersion: string): void {
    this.#progress = resourceVersion
    this.#resumeFrom = resourceVersion
  }

  #giveUpWatchList(why: string): void {
    this.#watchListFrom = performance.now() + this.#timing.watchListRetryMs
    this.#log.info(this.#fields({ why }), 'the API server has no watch-list: listing in pages')
  }

  async #recover(error: unknown, signal: AbortSignal): Promise<void> {
    if (isKubeError(error, 'Gone') || isFromTheFuture(error)) {
      this.#resumeFrom = undefined
      this.#log.info(
        this.#fields({ reason: error.message }),
        'the resourceVersion cannot be watched any more: listing again',
      )
    } else {
      this.#log.warn(this.#fields({ err: error }), 'watch failed')
    }
    try {
      await sleep(this.#backoff.next(), signal)
    } catch (error) {
      if (!isKubeError(error, 'Aborted', 'LeaseLost')) throw error
    }
  }

  #fields(more: object): object {
    return { resource: this.#resource.def.plural, ...more }
  }
}

/** True where the API server does not know our resourceVersion yet: etcd was restored from a backup. */
function isFromTheFuture(error: unknown): error is KubeError {
  return isKubeError(error) && /too large resource version/i.test(error.message)
}
