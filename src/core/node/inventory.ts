import { normalizedName, repositoryOf, tryParseReference } from '../../oci/reference.ts'
import type { NodeFacts } from './node-facts.ts'

/** Whether an image is on a node, and with which digest where that is known. */
export type Sighting =
  | { readonly state: 'present'; readonly digest?: string }
  | { readonly state: 'absent' }
  | { readonly state: 'unknown' }

/** What a source says is on one node. Every question "is it there?" goes through this interface. */
export interface Inventory {
  /** True where the source names every image of the node. What it does not name is absent. */
  readonly isWhole: boolean
  /** Looks up an image by its reference in any spelling. Text that is no reference is `absent`. */
  find(image: string): Sighting
  /** True where the source shows the node as it was after this time (RFC 3339). */
  isNewerThan(time: string | undefined): boolean
}

/** Entries that a kubelet lists in `node.status.images` by default (`nodeStatusMaxImages`). */
const MAX_LISTED_IMAGES = 50
/** Names that a kubelet lists for one image (`maxNamesPerImageInNodeStatus`). */
const MAX_LISTED_NAMES = 5
/**
 * Greatest age of the kubelet's list when the kubelet writes it. By default the kubelet asks the runtime
 * every 30 s and reports every 10 s. A list that is written sooner after a pull may lack the image.
 */
const LIST_LAG_MS = 60_000

/**
 * The inventory that `node.status.images` gives.
 * The list is whole where it has fewer entries than its limit and no image has the greatest number of names.
 */
export function nodeListInventory(node: NodeFacts): Inventory {
  const isWhole =
    node.imageCount > 0 && node.imageCount < MAX_LISTED_IMAGES && node.mostNames < MAX_LISTED_NAMES
  return {
    isWhole,
    find: image => findInList(node, image, isWhole),
    isNewerThan: time => !time || Date.parse(node.heartbeatAt) - LIST_LAG_MS > Date.parse(time),
  }
}

function findInList(node: NodeFacts, image: string, isWhole: boolean): Sighting {
  const reference = tryParseReference(image)
  if (!reference) return { state: 'absent' }
  const name = normalizedName(reference)
  const position = node.imageNames.indexOf(`\n${name}\n`)
  if (position < 0) return isWhole ? { state: 'absent' } : { state: 'unknown' }
  const digest = reference.digest ?? digestBefore(node.imageNames, position, repositoryOf(reference))
  return { state: 'present', ...(digest !== undefined && { digest }) }
}

/** The kubelet lists the digests of an image before its tags. */
function digestBefore(imageNames: string, position: number, repository: string): string | undefined {
  for (const name of imageNames.slice(0, position).split('\n').toReversed()) {
    if (name === '') return undefined
    if (name.startsWith(`${repository}@`)) return name.slice(repository.length + 1)
  }
  return undefined
}
