import type { ImageCache, ImageCacheSpec, ImageCacheStatus } from '../../src/api/image-cache.ts'
import { type CompiledCache, compileCache } from '../../src/core/demand/index.ts'

/** An ImageCache of one list, unless `spec` has others. */
export function cacheOf(
  name: string,
  images: readonly string[],
  spec: Partial<ImageCacheSpec> = {},
  status: ImageCacheStatus = {},
  metadata: Partial<ImageCache['metadata']> = {},
): ImageCache {
  return {
    metadata: {
      name,
      namespace: 'team',
      uid: `uid-of-${name}`,
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...metadata,
    },
    spec: { cacheSpec: [{ images: [...images] }], ...spec },
    status,
  }
}

/** The same, compiled. */
export function compiledOf(...cache: Parameters<typeof cacheOf>): CompiledCache {
  return compileCache(cacheOf(...cache), 'IfNotPresent')
}

/** An ImageCache as users write it. */
export type NewImageCache = ImageCache & { readonly apiVersion: string; readonly kind: string }

/** An ImageCache with this metadata; where no spec is given, it wants one image, `a:1`. */
export function imageCacheOf(
  metadata: ImageCache['metadata'],
  spec: ImageCacheSpec = { cacheSpec: [{ images: ['a:1'] }] },
): NewImageCache {
  return { apiVersion: 'kubefledged.io/v1alpha2', kind: 'ImageCache', metadata, spec }
}
