import type { ImageCache, ImageCacheSpec } from '../../src/api/image-cache.ts'

/** An ImageCache as users write it. */
export type NewImageCache = ImageCache & { readonly apiVersion: string; readonly kind: string }

/** An ImageCache with this metadata; where no spec is given, it wants one image, `a:1`. */
export function imageCacheOf(
  metadata: ImageCache['metadata'],
  spec: ImageCacheSpec = { cacheSpec: [{ images: ['a:1'] }] },
): NewImageCache {
  return { apiVersion: 'kubefledged.io/v1alpha2', kind: 'ImageCache', metadata, spec }
}
