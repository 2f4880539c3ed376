import type { CacheList } from '../../api/image-cache.ts'
import type { CompiledCache, CompiledList } from '../demand/index.ts'
import type { NodeFacts } from '../node/index.ts'
import { type Selection, select } from './select.ts'

/** A list of a cache that selects a node. */
export interface SelectedList {
  readonly list: CompiledList
  readonly selection: Exclude<Selection, { readonly kind: 'unselected' }>
}

/** A cache, and those of its lists that select a node. */
export interface SelectedCache {
  readonly cache: CompiledCache
  /** At least one, in the order of the spec. */
  readonly lists: readonly SelectedList[]
  /** The node gets no image of this cache: older caches of its namespace have too many for it already. */
  readonly isCrowdedOut: boolean
}

/**
 * With so many images in the lists for one node, a namespace gets no more of its caches looked at: it bounds
 * the time that a plan takes.
 */
const MAX_IMAGES = 10_000

/**
 * Where a list is found: `age` is the place of its cache among all, `place` its own among those of the
 * cache.
 */
interface Entry {
  readonly age: number
  readonly place: number
  readonly cache: CompiledCache
  readonly list: CompiledList
}

/**
 * Finds the lists that select a node without asking each list of each cache.
 * A list is filed under one label, or some names, that a node needs to be selected.
 */
export class CacheIndex {
  /** All caches by owner hash. */
  readonly byOwner: ReadonlyMap<string, CompiledCache>
  /** Lists by `label=value`, or by `@name` of a node. */
  readonly #drawers = new Map<string, Entry[]>()
  /** Lists without a label or a name to file them under. */
  readonly #everywhere: Entry[] = []

  /** @param caches the oldest first */
  constructor(caches: readonly CompiledCache[]) {
    this.byOwner = new Map(caches.map(cache => [cache.owner, cache]))
    for (const [age, cache] of caches.entries()) {
      for (const [place, list] of cache.lists.entries()) this.#file({ age, place, cache, list })
    }
  }

  /** The caches that select a node, the oldest first, whether there is work for the node or not. */
  selecting(node: NodeFacts): SelectedCache[] {
    const found: { cache: CompiledCache; lists: SelectedList[]; isCrowdedOut: boolean }[] = []
    const counts = new Map<string, number>()
    let before: Entry | undefined
    for (const entry of this.#candidates(node)) {
      if (entry === before) continue
      const selection = select(node, entry.list)
      if (selection.kind !== 'unselected') {
        const { cache, list } = entry
        const namespace = cache.cache.metadata.namespace ?? ''
        const count = counts.get(namespace) ?? 0
        const last = found.at(-1)
        if (last?.cache === cache) last.lists.push({ list, selection })
        else found.push({ cache, lists: [{ list, selection }], isCrowdedOut: count >= MAX_IMAGES })
        counts.set(namespace, count + list.images.size)
      }
      before = entry
    }
    return found
  }

  /** False where no list selects the node. True where one may: not all its conditions are looked at. */
  maySelect(node: NodeFacts): boolean {
    if (this.#everywhere.length > 0) return true
    return placesOf(node).some(place => this.#drawers.has(place))
  }

  /** Sorted by cache and list. A list with several names may come several times. */
  #candidates(node: NodeFacts): Entry[] {
    const drawers = placesOf(node).flatMap(place => this.#drawers.get(place) ?? [])
    return [...this.#everywhere, ...drawers].toSorted((a, b) => a.age - b.age || a.place - b.place)
  }

  #file(entry: Entry): void {
    const { nodeSelector, nodeAffinity } = entry.list.list
    const labels = Object.entries(nodeSelector ?? {}).map(([key, value]) => `${key}=${value}`)
    const places = labels.length > 0 ? [this.#emptiest(labels)] : placesOfAffinity(nodeAffinity)
    if (!places) this.#everywhere.push(entry)
    else for (const place of new Set(places)) this.#drawer(place).push(entry)
  }

  /** Many lists may share one label, such as `kubernetes.io/os`. Another label then tells them apart. */
  #emptiest(places: readonly string[]): string {
    const sizeOf = (place: string) => this.#drawers.get(place)?.length ?? 0
    return places.reduce((best, place) => (sizeOf(place) < sizeOf(best) ? place : best))
  }

  #drawer(place: string): Entry[] {
    const drawer = this.#drawers.get(place) ?? []
    this.#drawers.set(place, drawer)
    return drawer
  }
}

const INDEXES = new WeakMap<readonly CompiledCache[], CacheIndex>()

/**
 * The index of these caches. It is made once for each list of caches: the list must not change any more.
 *
 * @param caches the oldest first
 */
export function cacheIndex(caches: readonly CompiledCache[]): CacheIndex {
  const index = INDEXES.get(caches) ?? new CacheIndex(caches)
  INDEXES.set(caches, index)
  return index
}

function placesOf({ metadata: { name, labels = {} } }: NodeFacts): string[] {
  return [`@${name}`, ...Object.entries(labels).map(([key, value]) => `${key}=${value}`)]
}

/**
 * The places of a node, of which it needs one to match the affinity. Undefined where a term asks for no
 * certain label or name.
 */
function placesOfAffinity(affinity: CacheList['nodeAffinity']): string[] | undefined {
  if (!affinity) return undefined
  const places: string[] = []
  for (const { matchExpressions = [], matchFields = [] } of affinity.nodeSelectorTerms) {
    // A term without conditions matches no node.
    if (matchExpressions.length + matchFields.length === 0) continue
    const label = matchExpressions.find(({ operator }) => operator === 'In')
    const field = matchFields.find(({ operator }) => operator === 'In')
    if (!label && !field) return undefined
    for (const value of label?.values ?? []) places.push(`${label?.key ?? ''}=${value}`)
    if (!label) for (const name of field?.values ?? []) places.push(`@${name}`)
  }
  return places
}
