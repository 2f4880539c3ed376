import { GROUP, PURGE_FINALIZER, VERSION } from '../../api/constants.ts'
import type { ImageCache } from '../../api/image-cache.ts'
import { type KubeClient, type Logger, type Resource, isKubeError } from '../../kube/index.ts'

const PAGE = 500

/**
 * Removes the finalizer of `deletionPolicy: Purge` from all image caches of the cluster.
 * A running controller adds it again. Does nothing in a cluster without that kind. Throws KubeError.
 */
export async function releaseCaches(
  client: KubeClient,
  { signal, log }: { readonly signal: AbortSignal; readonly log: Logger },
): Promise<void> {
  const caches = client.resource<ImageCache>({
    group: GROUP,
    version: VERSION,
    plural: 'imagecaches',
    kind: 'ImageCache',
    namespaced: true,
  })
  let released = 0
  let conflicts: number
  do {
    conflicts = 0
    for await (const cache of heldBack(caches, signal)) {
      if (await release(caches, cache, signal)) released += 1
      else conflicts += 1
    }
  } while (conflicts > 0)
  log.info({ released }, 'no image cache waits for a purge any more')
}

/** Image caches with the finalizer, in all namespaces. */
async function* heldBack(caches: Resource<ImageCache>, signal: AbortSignal): AsyncGenerator<ImageCache> {
  let next: string | undefined
  do {
    const page = await pageOf(caches, next, signal)
    for (const cache of page?.items ?? []) {
      if (cache.metadata.finalizers?.includes(PURGE_FINALIZER)) yield cache
    }
    next = page?.continue
  } while (next !== undefined)
}

/** Undefined in a cluster without that kind. */
async function pageOf(caches: Resource<ImageCache>, next: string | undefined, signal: AbortSignal) {
  try {
    return await caches.list({ limit: PAGE, continue: next, signal })
  } catch (error) {
    if (isKubeError(error, 'NotFound')) return undefined
    throw error
  }
}

/** False where the object was changed meanwhile. */
async function release(
  caches: Resource<ImageCache>,
  { metadata: { name, namespace, resourceVersion, finalizers = [] } }: ImageCache,
  signal: AbortSignal,
): Promise<boolean> {
  const others = finalizers.filter(finalizer => finalizer !== PURGE_FINALIZER)
  try {
    const metadata = { resourceVersion, finalizers: others }
    await caches.mergePatch({ name, namespace }, { metadata }, { signal })
    return true
  } catch (error) {
    if (isKubeError(error, 'Conflict')) return false
    if (isKubeError(error, 'NotFound')) return true
    throw error
  }
}
