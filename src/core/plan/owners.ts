import { isDeepStrictEqual } from 'node:util'
import type { DesiredImage, NodeImagesSpec, PlanOwner, Removal } from '../../api/node-images.ts'
import { type CompiledCache, purgeRevision } from '../demand/index.ts'
import { cacheIndex } from './cache-index.ts'

/**
 * Which requests of each cache the plan of a node follows.
 * The planner compares numbers for equality: a number that differs is a request that is not planned yet.
 */

/** What a cache asks for that the plan of a node does not follow yet. */
export interface NewRequests {
  /** A refresh by annotation: every image of the cache is asked for again. */
  readonly refresh: boolean
  /**
   * An edit of the spec: images that failed are asked for again. Also true after an edit that changed nothing
   * for the node.
   */
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
  const { byOwner } = cacheIndex(caches)
  const used = new Set<string>()
  for (const { owners } of planned) for (const owner of owners) used.add(owner)
  const records: Record<string, PlanOwner> = {}
  for (const owner of [...used].toSorted()) {
    const cache = byOwner.get(owner)
    const record = cache ? recordOf(cache) : previous[owner]
    if (record) records[owner] = record
  }
  return records
}

/**
 * The plan, or the plan before it where nothing but generations differs: an edit that changes nothing for a
 * node costs no write there. The older generation asks once more for images that fail later.
 */
export function withoutIdleEdits<P extends { readonly owners: Record<string, PlanOwner> }>(
  plan: P,
  previous: NodeImagesSpec,
): P | NodeImagesSpec {
  const { owners: known = {} } = previous
  const generationOf = (owner: string) => known[owner]?.generation
  const records = Object.entries(plan.owners)
  if (records.every(([owner, { generation }]) => generation === generationOf(owner))) return plan
  const owners = Object.fromEntries(
    records.map(([owner, record]) => [owner, { ...record, generation: generationOf(owner) }]),
  )
  return isDeepStrictEqual({ ...plan, owners }, previous) ? previous : plan
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
