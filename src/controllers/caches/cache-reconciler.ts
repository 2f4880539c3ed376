import { type Aggregate, aggregate, eventMessage } from '../../core/status/index.ts'
import { API_VERSION } from '../../api/constants.ts'
import type { ImageCache } from '../../api/image-cache.ts'
import { STATUS } from '../../api/messages.ts'
import {
  type EventRecorder,
  type HandlerResult,
  type Logger,
  mergePatchOf,
  withoutManagedFields,
} from '../../kube/index.ts'
import { PurgeFinalizer } from './purge-finalizer.ts'
import type { ClusterState } from '../../state/cluster-state.ts'

/** Shortest time between two status writes of a cache. Start and end of an action are written at once. */
const WRITE_INTERVAL_MS = 2_000

/** Objects of a list have no type. */
const TYPE = { apiVersion: API_VERSION, kind: 'ImageCache' }

/** Shortest time between two counts over all nodes for a cache. */
const MIN_PAUSE_MS = 100

/** What the reconciler of caches works with. */
export interface CacheReconcilerOptions {
  readonly cluster: ClusterState
  readonly events: EventRecorder
  /** Longest time that a deletion waits for a purge, in milliseconds. */
  readonly purgeDeadlineMs: number
  readonly log: Logger
}

/** The controller of ImageCaches: it keeps their status up to date, and starts and ends their actions. */
export class CacheReconciler {
  readonly #cluster: ClusterState
  readonly #events: EventRecorder
  readonly #log: Logger
  readonly #finalizer: PurgeFinalizer
  readonly #lastWrite = new Map<string, number>()
  readonly #nextLook = new Map<string, number>()
  readonly #refreshFound = new Set<string>()

  constructor(options: CacheReconcilerOptions) {
    this.#cluster = options.cluster
    this.#events = options.events
    this.#log = options.log
    this.#finalizer = new PurgeFinalizer(options)
  }

  /** A periodic refresh found a newer image for nodes of this cache. The next reconcile begins the action. */
  beginRefresh(key: string): void {
    this.#refreshFound.add(key)
  }

  /** Reconciles the cache `namespace/name`. */
  async reconcile(key: string, signal: AbortSignal): Promise<HandlerResult> {
    const cache = this.#cluster.compiled(key)
    if (cache && (await this.#finalizer.adjust(cache.cache, signal))) return {}
    if (!cache || cache.activity === 'deleted') {
      this.#lastWrite.delete(key)
      this.#nextLook.delete(key)
      this.#refreshFound.delete(key)
      return {}
    }
    const now = new Date(this.#cluster.now())
    const early = (this.#nextLook.get(key) ?? 0) - now.getTime()
    if (early > 0) return { requeueAfterMs: early }
    const began = performance.now()
    const next = aggregate(
      cache,
      this.#cluster.nodeInformer.list(),
      node => this.#cluster.nodeImagesInformer.get(node),
      now.toISOString(),
      this.#refreshFound.has(key),
    )
    // A count costs time for each node. All caches together use half of the time at most.
    const share = Math.max(10, 2 * this.#cluster.compiledCaches().length)
    const pause = Math.max(MIN_PAUSE_MS, (performance.now() - began) * share)
    this.#nextLook.set(key, now.getTime() + pause)
    const patch = mergePatchOf(cache.cache.status ?? {}, next.status)
    if (
      cache.cache.metadata.deletionTimestamp &&
      next.status.status !== STATUS.processing &&
      next.awaited === 0
    ) {
      await this.#finalizer.release(cache.cache, next, signal)
      return {}
    }
    if (patch === undefined) return this.#finalizer.waitFor(cache.cache, next, signal)
    const turns = next.status.status !== cache.cache.status?.status || next.ended
    const wait = (this.#lastWrite.get(key) ?? 0) + WRITE_INTERVAL_MS - now.getTime()
    if (wait > 0 && !turns) return { requeueAfterMs: wait }
    await this.#write(cache.cache, next, patch, signal)
    this.#lastWrite.set(key, now.getTime())
    this.#refreshFound.delete(key)
    return this.#finalizer.waitFor(cache.cache, next, signal)
  }

  async #write(cache: ImageCache, next: Aggregate, patch: unknown, signal: AbortSignal): Promise<void> {
    const { caches, cacheInformer } = this.#cluster
    const { name, namespace } = cache.metadata
    let { resourceVersion } = cache.metadata
    // Annotations first, then the status.
    // After a crash between the two, only the end of the action is repeated.
    // In the other order, the whole refresh would be repeated.
    if (next.annotationsDone.length > 0) {
      const annotations = Object.fromEntries(next.annotationsDone.map(annotation => [annotation, null]))
      const metadata = { resourceVersion, annotations }
      const written = await caches.mergePatch({ name, namespace }, { metadata }, { signal })
      resourceVersion = written.metadata.resourceVersion
      this.#log.info(
        { imageCache: `${namespace}/${name}`, annotations: next.annotationsDone },
        'annotations removed',
      )
    }
    const body = { metadata: { resourceVersion }, status: patch }
    const written = await caches.mergePatch({ name, namespace }, body, { subresource: 'status', signal })
    cacheInformer.upsert(withoutManagedFields(written))
    this.#tell(cache, next)
  }

  #tell(cache: ImageCache, { status, ended }: Aggregate): void {
    const { namespace, name } = cache.metadata
    const fields = { imageCache: `${namespace}/${name}`, status: status.status, reason: status.reason }
    if (status.status !== cache.status?.status) this.#log.info(fields, status.message ?? '')
    if (!ended || status.status === STATUS.aborted) return
    const type = status.status === STATUS.failed ? 'Warning' : 'Normal'
    this.#events.record({ ...cache, ...TYPE }, type, status.reason ?? '', eventMessage(status))
  }
}
