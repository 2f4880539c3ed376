import type { DesiredImage, PlanOwner, Removal } from '../../api/node-images.ts'
import { type CompiledCache, purgeRevision } from '../demand/index.ts'

/**
 * Which requests of each cache the plan of a node follows.
 * The planner compares numbers for equality: a number that differs is a request that is not planned yet.
 */

/** What a cache asks for that the plan of a node does not follow yet. */
export interface NewRequests {
  /** A refresh by annotation: every image of the cache is asked for again. */
  readonly refresh: boolean
  /** An edit of the spec: images that failed are asked for again. */
  readonly edit: boolean
  /** A purge: every removal is asked for again. */
  readonly purge: boolean
}

/** The namespace in `namespace/name`. Empty where the owner is not known. */
export function namespaceIn(cache = ''): string {
  return cache.slice(0, Math.max(0, cache.indexOf('/')))
}

/**
 * The requests of a cache that are new for a node. A cache that is new there has none: its images are new.
 */
export function newRequests({ cache }: CompiledCache, known: PlanOwner | undefined): NewRequests {
  if (!known) return { refresh: false, edit: false, purge: false }
  return {
    refresh: (known.refresh ?? 0) !== (cache.status?.refreshRevision ?? 0),
    edit: known.generation !== cache.metadata.generation,
    purge: (known.purge ?? 0) !== purgeRevision(cache),
  }
}

/**
 * The owners of the images and removals of a plan, by their short hash. An owner that is gone keeps its
 * record.
 */
export function planOwners(
  planned: readonly (DesiredImage | Removal)[],
  caches: readonly CompiledCache[],
  previous: Readonly<Record<string, PlanOwner>>,
): Record<string, PlanOwner> {
  const byOwner = new Map(caches.map(cache => [cache.owner, cache]))
  const used = [...new Set(planned.flatMap(({ owners }) => owners))].toSorted()
  return Object.fromEntries(
    used.flatMap(owner => {
      const cache = byOwner.get(owner)
      const record = cache ? recordOf(cache) : previous[owner]
      return record ? [[owner, record]] : []
    }),
  )
}

function recordOf(compiled: CompiledCache): PlanOwner {
  const { generation } = compiled.cache.metadata
  const refresh = compiled.cache.status?.refreshRevision ?? 0
  const purge = purgeRevision(compiled.cache)
  return {
    cache: compiled.key,
    ...(generation !== undefined && { generation }),
    ...(refresh !== 0 && { refresh }),
    ...(purge !== 0 && { purge }),
  }
}
