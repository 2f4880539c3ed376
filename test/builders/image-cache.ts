import type { ImageCache, ImageCacheSpec, ImageCacheStatus } from '../../src/api/image-cache.ts'
import { type CompiledCache, compileCache } from '../../src/core/demand/index.ts'

/** An ImageCache of one list. */
export function cacheOf(
  name: string,
  images: readonly string[],
  spec: Partial<ImageCacheSpec> = {},
  status: ImageCacheStatus = {},
): ImageCache {
  return {
    metadata: { name, namespace: 'team', uid: `uid-of-${name}`, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { cacheSpec: [{ images: [...images] }], ...spec },
    status,
  }
}

/** The same, compiled. */
export function compiledOf(
  name: string,
  images: readonly string[],
  spec: Partial<ImageCacheSpec> = {},
): CompiledCache {
  return compileCache(cacheOf(name, images, spec), 'IfNotPresent')
}
