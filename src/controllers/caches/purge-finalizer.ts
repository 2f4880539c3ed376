import { type Aggregate, unplannedImages } from '../../core/status/index.ts'
import { API_VERSION, PURGE_FINALIZER } from '../../api/constants.ts'
import type { EventReason } from '../../api/event-reasons.ts'
import type { ImageCache } from '../../api/image-cache.ts'
import { type EventRecorder, type HandlerResult, type Logger, isKubeError } from '../../kube/index.ts'
import { type CompiledCache, cacheKey } from '../../core/demand/index.ts'
import type { ClusterState } from '../../state/cluster-state.ts'

/** What the finalizer works with. */
interface PurgeFinalizerOptions {
  readonly cluster: ClusterState
  readonly events: EventRecorder
  /** In milliseconds. */
  readonly purgeDeadlineMs: number
  readonly log: Logger
}

/** How soon a cache is looked at again whose removals are not in the plans of all nodes yet. */
const PLAN_LOOK_MS = 1_000
/**
 * Longest time that this process waits until the plans of all nodes have the removals. An API server that
 * takes no writes, or a node without room for more removals, must not hold up a deletion for good.
 */
const PLAN_LIMIT_MS = 600_000

/**
 * The finalizer of caches with `deletionPolicy: Purge`.
 * Their deletion waits until the nodes have removed the images, at most until a deadline.
 * It does not wait for that in a namespace that is being deleted.
 * It always waits until `NodeImages.spec.remove` of each node has the removals: they stay there, and are
 * carried out when the cache is gone.
 */
export class PurgeFinalizer {
  readonly #options: PurgeFinalizerOptions
  /** When this process first found that plans lack removals, by UID of the cache. */
  readonly #unplannedSince = new Map<string, number>()

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

  /** Removes the finalizer: the purge is done. Answers when to look again where plans lack removals. */
  async release(cache: CompiledCache, { status }: Aggregate, signal: AbortSignal): Promise<HandlerResult> {
    const unplanned = this.#unplanned(cache)
    if (unplanned.mayWait) return { requeueAfterMs: PLAN_LOOK_MS }
    const staying = [
      ...Object.entries(status.failures ?? {}).map(([image, [first]]) => `${image} (${first?.reason})`),
      ...(status.kept ?? []).map(({ image, reason }) => `${image} (${reason})`),
    ]
    const message = `Images that stay on nodes: ${staying.join(', ')}`.slice(0, 1000)
    if (staying.length > 0) this.#tell(cache.cache, 'Warning', 'PurgeIncomplete', message)
    else this.#tell(cache.cache, 'Normal', 'Purged', status.message ?? '')
    await this.#set(cache.cache, false, signal)
    return {}
  }

  /** When to look again at a cache whose deletion waits. Removes the finalizer after the deadline. */
  async waitFor(cache: CompiledCache, { awaited }: Aggregate, signal: AbortSignal): Promise<HandlerResult> {
    const { deletionTimestamp, namespace = '' } = cache.cache.metadata
    if (deletionTimestamp === undefined) return {}
    const { cluster, purgeDeadlineMs } = this.#options
    const left = Date.parse(deletionTimestamp) + purgeDeadlineMs - cluster.now()
    const why =
      left <= 0
        ? 'the purge deadline has passed'
        : cluster.namespaceInformer.get(namespace)?.metadata.deletionTimestamp
          ? 'the namespace is being deleted'
          : undefined
    if (why === undefined) return { requeueAfterMs: left }
    const { count, mayWait } = this.#unplanned(cache)
    if (mayWait) return { requeueAfterMs: PLAN_LOOK_MS }
    const lost = count > 0 ? `; ${count} images could not be noted for removal and stay on their nodes` : ''
    const message = `${why}: ${awaited} images on nodes are still to be removed, and will be without being waited for${lost}`
    this.#tell(cache.cache, 'Warning', 'PurgeIncomplete', message)
    await this.#set(cache.cache, false, signal)
    return {}
  }

  /** Images that the stored plans of nodes do not ask to remove yet, and whether to wait for these plans. */
  #unplanned(cache: CompiledCache): { readonly count: number; readonly mayWait: boolean } {
    const { nodeInformer, nodeImagesInformer } = this.#options.cluster
    const { uid = '' } = cache.cache.metadata
    let count = 0
    for (const nodeImages of nodeImagesInformer.list()) {
      const nodeUid = nodeInformer.get(nodeImages.metadata.name)?.metadata.uid
      // The object of a Node that is gone goes with it.
      const isOwn = nodeImages.metadata.ownerReferences?.some(owner => owner.uid === nodeUid)
      if (isOwn) count += unplannedImages(cache, nodeImages).length
    }
    if (count === 0) {
      this.#unplannedSince.delete(uid)
      return { count, mayWait: false }
    }
    const now = performance.now()
    const since = this.#unplannedSince.get(uid) ?? now
    const mayWait = now - since < PLAN_LIMIT_MS
    if (mayWait) this.#unplannedSince.set(uid, since)
    else this.#unplannedSince.delete(uid)
    return { count, mayWait }
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
