import { type Aggregate, aggregate, eventMessage, refreshWaitMs, turnOf } from '../../core/status/index.ts'
import { API_VERSION } from '../../api/constants.ts'
import type { ImageCache } from '../../api/image-cache.ts'
import { ACTION, STATUS } from '../../api/messages.ts'
import {
  type EventRecorder,
  type HandlerResult,
  type Logger,
  mergePatchOf,
  withoutManagedFields,
} from '../../kube/index.ts'
import type { CacheCounts } from './cache-counts.ts'
import { PurgeFinalizer } from './purge-finalizer.ts'
import type { ClusterState } from '../../state/cluster-state.ts'

/** Shortest time between two status writes of a cache. Start and end of an action are written at once. */
const WRITE_INTERVAL_MS = 2_000

/** Objects of a list have no type. */
const TYPE = { apiVersion: API_VERSION, kind: 'ImageCache' }

/** What the reconciler of caches works with. */
export interface CacheReconcilerOptions {
  readonly cluster: ClusterState
  readonly counts: CacheCounts
  readonly events: EventRecorder
  /** Longest time that a deletion waits for a purge, in milliseconds. */
  readonly purgeDeadlineMs: number
  readonly log: Logger
}

/** The controller of ImageCaches: it keeps their status up to date, and starts and ends their actions. */
export class CacheReconciler {
  readonly #cluster: ClusterState
  readonly #counts: CacheCounts
  readonly #events: EventRecorder
  readonly #log: Logger
  readonly #finalizer: PurgeFinalizer
  readonly #lastWrite = new Map<string, number>()
  readonly #refreshFound = new Set<string>()

  constructor(options: CacheReconcilerOptions) {
    this.#cluster = options.cluster
    this.#counts = options.counts
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
      this.#counts.forget(key)
      this.#lastWrite.delete(key)
      this.#refreshFound.delete(key)
      return {}
    }
    const now = new Date(this.#cluster.now())
    const turn = turnOf(cache, now.toISOString(), this.#refreshFound.has(key))
    const early = (this.#lastWrite.get(key) ?? 0) + WRITE_INTERVAL_MS - now.getTime()
    // Each edit costs a count over all nodes. Edits without end must not take the time of other caches.
    if (early > 0 && turn.begun?.reason === ACTION.update) return { requeueAfterMs: early }
    const awaited = await this.#counts.awaited(turn, signal)
    // Progress is written every two seconds. The beginning and the end of an action are not delayed.
    const isRunning = cache.cache.status?.status === STATUS.processing
    const turns = turn.begun !== undefined || (isRunning && awaited === 0)
    if (early > 0 && !turns) return { requeueAfterMs: early }
    const observation = await this.#counts.observation(turn, signal)
    const next = aggregate(turn, observation, now.toISOString())
    const isDeleting = cache.cache.metadata.deletionTimestamp !== undefined
    if (isDeleting && next.status.status !== STATUS.processing && next.awaited === 0) {
      return this.#finalizer.release(turn.cache, next, signal)
    }
    const patch = mergePatchOf(cache.cache.status ?? {}, next.status)
    if (patch !== undefined) {
      await this.#write(cache.cache, next, patch, signal)
      this.#lastWrite.set(key, now.getTime())
      this.#refreshFound.delete(key)
    }
    const refreshIn = refreshWaitMs(cache.cache, now.toISOString())
    return earlier(await this.#finalizer.waitFor(turn.cache, next, signal), refreshIn)
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

/** The result with a second time to look again. 0: none. */
function earlier(result: HandlerResult, ms: number): HandlerResult {
  if (ms === 0) return result
  return { requeueAfterMs: Math.min(ms, result?.requeueAfterMs ?? ms) }
}
