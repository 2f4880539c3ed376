import { GROUP, VERSION } from '../../src/api/constants.ts'
import type { ImageCache, ImageCacheSpec } from '../../src/api/image-cache.ts'
import type { KubeClient, Resource } from '../../src/kube/index.ts'
import { imageCacheOf } from '../builders/image-cache.ts'

/** Namespaces of the caches. */
export const NAMESPACE = 'scale'
export const OTHER_NAMESPACE = 'other'

/** Resource of ImageCaches. */
export function cachesOf(client: KubeClient): Resource<ImageCache> {
  return client.resource<ImageCache>({
    group: GROUP,
    version: VERSION,
    plural: 'imagecaches',
    kind: 'ImageCache',
    namespaced: true,
  })
}

/** Creates an ImageCache with one list of images. */
export async function createCache(
  client: KubeClient,
  name: string,
  images: readonly string[],
  nodeSelector: Readonly<Record<string, string>>,
  namespace = NAMESPACE,
): Promise<void> {
  const cacheSpec: ImageCacheSpec['cacheSpec'] = [{ images: [...images], nodeSelector: { ...nodeSelector } }]
  await cachesOf(client).create(imageCacheOf({ name, namespace }, { cacheSpec }))
}

/** The outcome of its last action. Undefined while that runs, or while the newest spec was not begun. */
export function outcomeOf({ metadata, status }: ImageCache): string | undefined {
  if (status?.status === undefined || status.status === 'Processing') return undefined
  return status.observedGeneration === metadata.generation ? status.status : undefined
}
