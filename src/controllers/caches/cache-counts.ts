import type { NodeImages } from '../../api/node-images.ts'
import { isSliceOver, nextTurn } from '../../base/time-slice.ts'
import { purgeRevision } from '../../core/demand/index.ts'
import type { NodeFacts } from '../../core/node/index.ts'
import { type Observation, Tally, type Turn } from '../../core/status/index.ts'
import type { ClusterState } from '../../state/cluster-state.ts'

/** A node as it is counted. */
interface CountedNode {
  readonly node: NodeFacts | undefined
  readonly nodeImages: NodeImages | undefined
}

/** The sums of one cache. */
interface Count {
  readonly tally: Tally
  /** What the count depends on besides nodes and ledgers. */
  readonly basis: readonly unknown[]
  /** Names of nodes that are still to be counted. */
  readonly uncounted: Set<string>
}

/**
 * The sums over all nodes for each cache, kept up to date by the changes of nodes and ledgers.
 * A cache is counted over all nodes when it is new, when its spec changes and when an action begins, in
 * slices of time. A change of a node then costs that node only.
 */
export class CacheCounts {
  readonly #nodes = new Map<string, CountedNode>()
  readonly #counts = new Map<string, Count>()

  constructor({ nodeInformer, nodeImagesInformer }: ClusterState) {
    nodeInformer.subscribe(({ type, object }) => {
      this.#change(object.metadata.name, { node: type === 'deleted' ? undefined : object })
    })
    nodeImagesInformer.subscribe(({ type, object }) => {
      this.#change(object.metadata.name, { nodeImages: type === 'deleted' ? undefined : object })
    })
  }

  /** How many images on nodes the action of a cache still waits for. */
  async awaited(turn: Turn, signal: AbortSignal): Promise<number> {
    return (await this.#counted(turn, signal)).tally.awaited
  }

  /** What the nodes say about a cache. */
  async observation(turn: Turn, signal: AbortSignal): Promise<Observation> {
    const count = await this.#counted(turn, signal)
    if (count.tally.hasExamples) return count.tally.observation()
    return (await this.#countAll(turn, signal)).tally.observation()
  }

  /** Forgets a cache that is gone. */
  forget(key: string): void {
    this.#counts.delete(key)
  }

  async #counted(turn: Turn, signal: AbortSignal): Promise<Count> {
    const known = this.#counts.get(turn.cache.key)
    const basis = basisOf(turn)
    const isSame = known?.uncounted.size === 0 && basis.every((value, index) => value === known.basis[index])
    return isSame ? known : this.#countAll(turn, signal)
  }

  async #countAll(turn: Turn, signal: AbortSignal): Promise<Count> {
    const { cache, startTime } = turn
    const count = {
      tally: new Tally(cache, startTime),
      basis: basisOf(turn),
      uncounted: new Set(this.#nodes.keys()),
    }
    this.#counts.set(cache.key, count)
    for (const name of count.uncounted) {
      while (isSliceOver()) await nextTurn()
      signal.throwIfAborted()
      count.uncounted.delete(name)
      add(count.tally, this.#nodes.get(name))
    }
    return count
  }

  #change(name: string, change: Partial<CountedNode>): void {
    const before = this.#nodes.get(name)
    const after = { node: before?.node, nodeImages: before?.nodeImages, ...change }
    if (after.node || after.nodeImages) this.#nodes.set(name, after)
    else this.#nodes.delete(name)
    for (const { tally, uncounted } of this.#counts.values()) {
      if (uncounted.has(name)) continue
      if (before?.node) tally.remove(before.node, before.nodeImages)
      add(tally, after)
    }
  }
}

function add(tally: Tally, counted: CountedNode | undefined): void {
  if (counted?.node) tally.add(counted.node, counted.nodeImages)
}

/** A status or an annotation that the counts do not depend on leaves all of these as they are. */
function basisOf({ cache, startTime }: Turn): readonly unknown[] {
  const { metadata, status } = cache.cache
  return [
    cache.lists,
    cache.activity,
    startTime,
    metadata.uid,
    metadata.generation,
    status?.refreshRevision,
    purgeRevision(cache.cache),
  ]
}
