import type { Failure } from '../../api/image-cache.ts'
import { type NodeImages, entryKey } from '../../api/node-images.ts'
import { type CompiledCache, hasLetGo } from '../demand/index.ts'
import { type NodeFacts, hostnameOf, skipReason } from '../node/index.ts'
import { findEntry, isRemovalAnswered } from '../ledger/index.ts'
import { newRequests } from '../plan/index.ts'

/** An image that was to be removed from a node and stays. */
export interface KeptImage {
  readonly image: string
  /** A kept reason, or why the node gets no work now. */
  readonly reason: string
  readonly message: string
}

/** The removals of one node that a cache asked for. */
export interface NodeRemovals {
  /** Images without an answer, on a node that may get work. */
  readonly open: number
  readonly failures: readonly { readonly image: string; readonly failure: Failure }[]
  readonly kept: readonly KeptImage[]
}

const NONE: NodeRemovals = { open: 0, failures: [], kept: [] }

/** What became of the images that a cache lets go of, on one node. Pure. */
export function countRemovals(
  cache: CompiledCache,
  node: NodeFacts,
  nodeImages: NodeImages | undefined,
): NodeRemovals {
  const { spec = {}, status = {} } = nodeImages ?? {}
  const removals = ownedBy(cache.owner, spec.remove)
  const unplanned = unplannedImages(cache, nodeImages)
  if (removals.length === 0 && unplanned.length === 0) return NONE
  const skip = skipReason(node, { images: [] })
  const { purge } = newRequests(cache, spec.owners?.[cache.owner])
  const isPlanned = cache.activity !== 'purging' || !purge
  const failures: NodeRemovals['failures'][number][] = []
  const kept: KeptImage[] = []
  let open = skip ? 0 : unplanned.length
  // The node gets no work now. Its images are removed when it comes back.
  if (skip) for (const image of unplanned) kept.push({ image, reason: skip, message: '' })
  for (const removal of removals) {
    const { image } = removal
    const entry = findEntry(status.images ?? [], entryKey(removal))
    const { state, reason = '', message = '' } = entry?.removal ?? {}
    if (removal.stays !== undefined) {
      kept.push({ image, reason: removal.stays, message: '' })
    } else if (!isPlanned || !isRemovalAnswered(removal, entry)) {
      if (skip) kept.push({ image, reason: skip, message: '' })
      else open += 1
    } else if (state === 'Kept') {
      kept.push({ image, reason, message })
    } else if (state === 'Failed') {
      failures.push({ image, failure: { node: hostnameOf(node), reason, message } })
    }
  }
  return { open, failures, kept }
}

/** Images that a cache has let go of, and that the stored plan of a node does not ask to remove yet. */
export function unplannedImages(cache: CompiledCache, nodeImages: NodeImages | undefined): string[] {
  const { spec = {}, status = {} } = nodeImages ?? {}
  const keys = new Map<string, string>()
  for (const image of [
    ...ownedBy(cache.owner, spec.images),
    ...ownedBy(cache.owner, status.images).filter(entry => entry.removal?.state !== 'Removed'),
  ]) {
    if (!hasLetGo(cache, image)) continue
    const key = entryKey(image)
    if (findEntry(spec.remove ?? [], key)?.owners.includes(cache.owner)) continue
    keys.set(key, image.image)
  }
  return [...keys.values()]
}

/**
 * The items of an owner. Most items of a node share one list of owners, and that is looked at once: this
 * runs for each cache at each change of a node.
 */
function ownedBy<T extends { readonly owners?: readonly string[] | undefined }>(
  owner: string,
  items: readonly T[] = [],
): T[] {
  let last: readonly string[] | undefined
  let isIn = false
  return items.filter(({ owners }) => {
    if (owners !== last) {
      last = owners
      isIn = owners?.includes(owner) === true
    }
    return isIn
  })
}
