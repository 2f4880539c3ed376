import type { ImageStatus } from '../../api/image-cache.ts'
import type { NodeImages } from '../../api/node-images.ts'
import type { SkipReason } from '../../api/skip-reasons.ts'
import type { CompiledCache } from '../demand/index.ts'
import type { NodeFacts } from '../node/index.ts'
import { type NodeCount, countNode } from './count-node.ts'
import { Examples } from './examples.ts'
import { ImageTally } from './image-tally.ts'
import {
  type ImageFailures,
  type KeptOnNodes,
  EXAMPLE_NODES,
  FAILED_NODES,
  type Observation,
} from './observation.ts'

/**
 * What all nodes say about one cache, as sums.
 * A node that changes is taken out as it was and added as it is, so that no change costs a count of all
 * nodes.
 */
export class Tally {
  readonly #cache: CompiledCache
  readonly #startTime: number
  /** The images of the spec, in its order. */
  readonly #images = new Map<string, ImageTally>()
  /** Failures of images that are no longer in the spec: their removals. */
  readonly #otherImages = new Map<string, ImageTally>()
  readonly #skipped = new Map<SkipReason, Examples<undefined>>()
  readonly #kept = new Map<string, { image: string; reason: string; nodes: Examples<string> }>()
  readonly #sums = {
    desired: 0,
    ready: 0,
    skipped: 0,
    matched: 0,
    wanted: 0,
    unsettled: 0,
    awaited: 0,
    failedPulls: 0,
  }

  /**
   * @param startTime when the action of the cache began, RFC 3339. It does not wait for younger nodes.
   */
  constructor(cache: CompiledCache, startTime: string | undefined) {
    this.#cache = cache
    this.#startTime = Date.parse(startTime ?? '')
    for (const { wanted, refused } of cache.lists) {
      for (const { image } of [...wanted, ...refused]) this.#images.set(image, new ImageTally())
    }
  }

  /** Adds a node with its ledger. */
  add(node: NodeFacts, nodeImages: NodeImages | undefined): void {
    this.#count(node, countNode(this.#cache, node, nodeImages), 1)
  }

  /** Takes out a node. The objects must be those that it was added with. */
  remove(node: NodeFacts, nodeImages: NodeImages | undefined): void {
    this.#count(node, countNode(this.#cache, node, nodeImages), -1)
  }

  /**
   * False where so many nodes were taken out that examples are missing. The nodes are to be counted again.
   */
  get hasExamples(): boolean {
    const failures = [...this.#images.values(), ...this.#otherImages.values()]
    return (
      failures.every(image => !image.failures.lacks(FAILED_NODES)) &&
      [...this.#skipped.values()].every(nodes => !nodes.lacks(EXAMPLE_NODES)) &&
      [...this.#kept.values()].every(({ nodes }) => !nodes.lacks(EXAMPLE_NODES))
    )
  }

  /** Images on nodes that the action still waits for. */
  get awaited(): number {
    return this.#sums.awaited
  }

  /** The sums and the examples of now. */
  observation(): Observation {
    const { desired, ready, skipped, ...sums } = this.#sums
    return {
      ...sums,
      nodes: { desired, ready, skipped },
      skipped: new Map(
        [...this.#skipped]
          .filter(([, { total }]) => total > 0)
          .map(([reason, nodes]) => [reason, { count: nodes.total, examples: namesOf(nodes) }]),
      ),
      images: [...this.#images].map(([image, tally]): ImageStatus => tally.status(image)),
      failures: new Map(this.#failures()),
      kept: [...this.#kept.values()].filter(({ nodes }) => nodes.total > 0).map(keptOnNodes),
    }
  }

  *#failures(): Generator<[string, ImageFailures]> {
    for (const [image, { failures }] of [...this.#images, ...this.#otherImages]) {
      if (failures.total === 0) continue
      yield [image, { listed: failures.first(FAILED_NODES).map(({ item }) => item), total: failures.total }]
    }
  }

  #count(node: NodeFacts, count: NodeCount, sign: 1 | -1): void {
    const { name, creationTimestamp = '' } = node.metadata
    const isNew = Date.parse(creationTimestamp) > this.#startTime
    const sums = this.#sums
    sums.matched += count.isMatched ? sign : 0
    sums.desired += count.isDesired ? sign : 0
    sums.ready += count.isReady ? sign : 0
    sums.wanted += sign * count.wanted
    sums.unsettled += sign * count.unsettled
    sums.awaited += isNew ? 0 : sign * count.unsettled
    if (count.skipped) {
      sums.skipped += sign
      put(this.#examplesOf(this.#skipped, count.skipped), name, undefined, sign)
    }
    for (const image of count.images) this.#images.get(image.image)?.add(image, sign)
    for (const { image, failure, isPull } of count.failures) {
      sums.failedPulls += isPull ? sign : 0
      put(this.#imageOf(image).failures, name, failure, sign)
    }
    for (const { image, reason, message } of count.kept) {
      const key = `${image} ${reason}`
      const kept = this.#kept.get(key) ?? { image, reason, nodes: new Examples<string>() }
      this.#kept.set(key, kept)
      put(kept.nodes, name, message, sign)
      if (kept.nodes.total === 0) this.#kept.delete(key)
    }
  }

  #imageOf(image: string): ImageTally {
    const known = this.#images.get(image) ?? this.#otherImages.get(image)
    if (known) return known
    const added = new ImageTally()
    this.#otherImages.set(image, added)
    return added
  }

  #examplesOf<K>(all: Map<K, Examples<undefined>>, key: K): Examples<undefined> {
    const examples = all.get(key) ?? new Examples<undefined>()
    all.set(key, examples)
    return examples
  }
}

function put<T>(examples: Examples<T>, node: string, item: T, sign: 1 | -1): void {
  if (sign === 1) examples.add(node, item)
  else examples.remove(node)
}

function namesOf(nodes: Examples<unknown>): string[] {
  return nodes.first(EXAMPLE_NODES).map(({ node }) => node)
}

function keptOnNodes({
  image,
  reason,
  nodes,
}: {
  image: string
  reason: string
  nodes: Examples<string>
}): KeptOnNodes {
  const examples = nodes.first(EXAMPLE_NODES)
  const message = examples.map(({ item }) => item).find(text => text !== '') ?? ''
  return { image, reason, message, count: nodes.total, examples: examples.map(({ node }) => node) }
}
