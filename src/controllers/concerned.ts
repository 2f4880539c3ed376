import type { NodeImages } from '../api/node-images.ts'
import { type CompiledCache, NamespaceSizes, cacheKey } from '../core/demand/index.ts'
import type { NodeFacts } from '../core/node/index.ts'
import { CacheIndex, cacheIndex } from '../core/plan/index.ts'
import type { ImageCache } from '../api/image-cache.ts'
import type { ClusterState } from '../state/cluster-state.ts'

/** Keys of the caches that select a node, as it is or as it was. */
export function cachesSelecting(
  cluster: ClusterState,
  nodes: readonly (NodeFacts | undefined)[],
): Set<string> {
  const index = cacheIndex(cluster.compiledCaches())
  const selecting = nodes.flatMap(node => (node ? index.selecting(node) : []))
  return new Set(selecting.map(({ cache }) => cache.key))
}

/** Keys of the caches that the plan of a node names, as it is or as it was. */
export function cachesNamedBy(
  cluster: ClusterState,
  objects: readonly (NodeImages | undefined)[],
): Set<string> {
  const { byOwner } = cacheIndex(cluster.compiledCaches())
  const owners = objects.flatMap(object => [
    ...Object.keys(object?.spec?.owners ?? {}),
    ...(object?.spec?.crowdedOut ?? []),
  ])
  return new Set(owners.flatMap(owner => byOwner.get(owner)?.key ?? []))
}

/** Keys of the caches that the ledger of a node names: those that wanted an image last. */
export function cachesInLedger(
  cluster: ClusterState,
  objects: readonly (NodeImages | undefined)[],
): Set<string> {
  const { byOwner } = cacheIndex(cluster.compiledCaches())
  // Most entries share one list of owners.
  const lists = new Set(objects.flatMap(object => (object?.status?.images ?? []).map(({ owners }) => owners)))
  return new Set([...lists].flatMap(owners => owners ?? []).flatMap(owner => byOwner.get(owner)?.key ?? []))
}

/** What a change of a cache concerns. */
export interface Concerned {
  /** Keys of other caches. */
  readonly caches: Iterable<string>
  /** Names of nodes. */
  readonly nodes: Iterable<string>
}

/** Finds what changes of caches concern. It remembers each cache as it was. */
export class CacheChanges {
  readonly #cluster: ClusterState
  readonly #before = new Map<string, CompiledCache>()
  readonly #sizes = new NamespaceSizes()

  constructor(cluster: ClusterState) {
    this.#cluster = cluster
  }

  /**
   * The nodes that a cache may select now, that it selected before, and that have or had its images. Where
   * the namespace has too many lists, all nodes and all caches of the namespace.
   * Each change of a spec has to come here.
   */
  concernedBy(cache: ImageCache): Concerned {
    const key = cacheKey(cache)
    const namespace = cache.metadata.namespace ?? ''
    const before = this.#before.get(key)
    const now = this.#cluster.compiledAlone(key)
    if (now) this.#before.set(key, now)
    else this.#before.delete(key)
    const isBeyond = this.#sizes.replace(namespace, before, now)
    const nodes = [...this.#cluster.nodeInformer.list()]
    if (isBeyond) {
      const caches = this.#cluster.cachesIn(namespace).map(each => each.key)
      return { caches, nodes: nodes.map(({ metadata }) => metadata.name) }
    }
    const caches = [before, now].filter(compiled => compiled !== undefined)
    const index = new CacheIndex(caches)
    const owners = new Set(caches.map(({ owner }) => owner))
    const concerned = nodes.filter(
      node =>
        index.maySelect(node) || hasOwner(this.#cluster.nodeImagesInformer.get(node.metadata.name), owners),
    )
    return { caches: [], nodes: concerned.map(({ metadata }) => metadata.name) }
  }
}

/** True where the plan or the ledger of a node has something of these caches. */
function hasOwner(nodeImages: NodeImages | undefined, owners: ReadonlySet<string>): boolean {
  const { spec, status } = nodeImages ?? {}
  const isPlanned = [...owners].some(owner => Object.hasOwn(spec?.owners ?? {}, owner))
  return isPlanned || (status?.images ?? []).some(entry => entry.owners?.some(owner => owners.has(owner)))
}
