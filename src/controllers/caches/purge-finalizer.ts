import type { Aggregate } from '../../core/status/index.ts'
import { API_VERSION, PURGE_FINALIZER } from '../../api/constants.ts'
import type { EventReason } from '../../api/event-reasons.ts'
import type { ImageCache } from '../../api/image-cache.ts'
import { type EventRecorder, type HandlerResult, type Logger, isKubeError } from '../../kube/index.ts'
import { cacheKey } from '../../core/demand/index.ts'
import type { ClusterState } from '../../state/cluster-state.ts'

/** What the finalizer works with. */
interface PurgeFinalizerOptions {
  readonly cluster: ClusterState
  readonly events: EventRecorder
  /** In milliseconds. */
  readonly purgeDeadlineMs: number
  readonly log: Logger
}

/**
 * The finalizer of caches with `deletionPolicy: Purge`.
 * Their deletion waits until the nodes have removed the images, at most until a deadline.
 * It does not wait in a namespace that is being deleted.
 * Removals that are still open then stay in `NodeImages.spec.remove`.
 */
export class PurgeFinalizer {
  readonly #options: PurgeFinalizerOptions

  constructor(options: PurgeFinalizerOptions) {
    this.#options = options
  }

  /** Adds or removes the finalizer as `deletionPolicy` says. True where the object was changed. */
  async adjust(cache: ImageCache, signal: AbortSignal): Promise<boolean> {
    const isWanted = cache.spec.deletionPolicy === 'Purge'
    const isThere = (cache.metadata.finalizers ?? []).includes(PURGE_FINALIZER)
    const isLate = cache.metadata.deletionTimestamp !== undefined
    if (isWanted === isThere || (isWanted && isLate)) return false
    await this.#set(cache, isWanted, signal)
    return true
  }

  /** Removes the finalizer: the purge is done. */
  async release(cache: ImageCache, { status }: Aggregate, signal: AbortSignal): Promise<void> {
    const staying = [
      ...Object.entries(status.failures ?? {}).map(([image, [first]]) => `${image} (${first?.reason})`),
      ...(status.kept ?? []).map(({ image, reason }) => `${image} (${reason})`),
    ]
    const message = `Images that stay on nodes: ${staying.join(', ')}`.slice(0, 1000)
    if (staying.length > 0) this.#tell(cache, 'Warning', 'PurgeIncomplete', message)
    else this.#tell(cache, 'Normal', 'Purged', status.message ?? '')
    await this.#set(cache, false, signal)
  }

  /** When to look again at a cache whose deletion waits. Removes the finalizer after the deadline. */
  async waitFor(cache: ImageCache, { awaited }: Aggregate, signal: AbortSignal): Promise<HandlerResult> {
    const { deletionTimestamp } = cache.metadata
    if (deletionTimestamp === undefined) return {}
    const { cluster, purgeDeadlineMs } = this.#options
    const left = Date.parse(deletionTimestamp) + purgeDeadlineMs - cluster.now()
    const why =
      left <= 0
        ? 'the purge deadline has passed'
        : this.#options.cluster.namespaceInformer.get(cache.metadata.namespace ?? '')?.metadata
              .deletionTimestamp
          ? 'the namespace is being deleted'
          : undefined
    if (why === undefined) return { requeueAfterMs: left }
    const message = `${why}: ${awaited} images on nodes are still to be removed, and will be without being waited for`
    this.#tell(cache, 'Warning', 'PurgeIncomplete', message)
    await this.#set(cache, false, signal)
    return {}
  }

  async #set(cache: ImageCache, isOn: boolean, signal: AbortSignal): Promise<void> {
    const { name, namespace, resourceVersion, finalizers = [] } = cache.metadata
    const others = finalizers.filter(finalizer => finalizer !== PURGE_FINALIZER)
    const metadata = { resourceVersion, finalizers: isOn ? [...others, PURGE_FINALIZER] : others }
    try {
      await this.#options.cluster.caches.mergePatch({ name, namespace }, { metadata }, { signal })
    } catch (error) {
      if (!isKubeError(error, 'NotFound')) throw error
    }
    this.#options.log.info({ imageCache: cacheKey(cache) }, `finalizer ${isOn ? 'added' : 'removed'}`)
  }

  #tell(cache: ImageCache, type: 'Normal' | 'Warning', reason: EventReason, message: string): void {
    this.#options.events.record(
      { ...cache, apiVersion: API_VERSION, kind: 'ImageCache' },
      type,
      reason,
      message,
    )
  }
}
