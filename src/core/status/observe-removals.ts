import { type NodeImages, type Removal, entryKey } from '../../api/node-images.ts'
import { type CompiledCache, hasLetGo } from '../demand/index.ts'
import { type NodeFacts, skipReason } from '../node/index.ts'
import { isRemovalAnswered } from '../ledger/index.ts'
import { newRequests } from '../plan/index.ts'

/** An image that was to be removed and stays, for one reason. */
export interface KeptOnNodes {
  readonly image: string
  /** A kept reason, or why a node gets no work now. */
  readonly reason: string
  /** Message of the first node that has one. */
  readonly message: string
  readonly nodes: readonly string[]
}

/** The open and the failed removals of one node. */
export interface NodeRemovals {
  /** Images without an answer, on a node that may get work. */
  readonly open: number
  readonly failures: readonly { readonly image: string; readonly reason: string; readonly message: string }[]
}

/** Counts what became of the images that a cache lets go of. */
export class RemovalTally {
  readonly #cache: CompiledCache
  readonly #kept = new Map<string, { image: string; reason: string; message: string; nodes: string[] }>()

  constructor(cache: CompiledCache) {
    this.#cache = cache
  }

  /** Adds one node. */
  look(node: NodeFacts, nodeImages: NodeImages | undefined): NodeRemovals {
    const entries = new Map((nodeImages?.status?.images ?? []).map(entry => [entryKey(entry), entry]))
    const removals = (nodeImages?.spec?.remove ?? []).filter(({ owners }) => this.#isIn(owners))
    const unplanned = this.#unplanned(nodeImages, removals)
    if (removals.length === 0 && unplanned === 0) return { open: 0, failures: [] }
    const skip = skipReason(node, { images: [] })
    const failures: NodeRemovals['failures'][number][] = []
    let open = skip ? 0 : unplanned
    const { purge } = newRequests(this.#cache, nodeImages?.spec?.owners?.[this.#cache.owner])
    const isPlanned = this.#cache.activity !== 'purging' || !purge
    for (const removal of removals) {
      const entry = entries.get(entryKey(removal))
      const { state, reason = '', message = '' } = entry?.removal ?? {}
      if (removal.stays !== undefined) {
        this.#keep(removal.image, removal.stays, '', node)
      } else if (!isPlanned || !isRemovalAnswered(removal, entry)) {
        if (skip) this.#keep(removal.image, skip, '', node)
        else open += 1
      } else if (state === 'Kept') {
        this.#keep(removal.image, reason, message, node)
      } else if (state === 'Failed') {
        failures.push({ image: removal.image, reason, message })
      }
    }
    return { open, failures }
  }

  /** Images that stay, in the order in which they were found. */
  kept(): KeptOnNodes[] {
    return [...this.#kept.values()]
  }

  /** Images that the cache has let go of, and the plan of the node has not. */
  #unplanned(nodeImages: NodeImages | undefined, removals: readonly Removal[]): number {
    const planned = new Set(removals.map(removal => entryKey(removal)))
    const held = [
      ...(nodeImages?.spec?.images ?? []),
      ...(nodeImages?.status?.images ?? []).filter(entry => entry.removal?.state !== 'Removed'),
    ]
    const open = held.filter(
      image =>
        hasLetGo(this.#cache, image) && this.#isIn(image.owners ?? []) && !planned.has(entryKey(image)),
    )
    return new Set(open.map(image => entryKey(image))).size
  }

  #isIn(owners: readonly string[]): boolean {
    return owners.includes(this.#cache.owner)
  }

  #keep(image: string, reason: string, message: string, node: NodeFacts): void {
    const key = `${image} ${reason}`
    const kept = this.#kept.get(key) ?? { image, reason, message, nodes: [] }
    kept.nodes.push(node.metadata.name)
    if (kept.message === '') kept.message = message
    this.#kept.set(key, kept)
  }
}
