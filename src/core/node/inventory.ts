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
  /** True where the source shows the node as it was after this time (RFC 3339, clock of the controller). */
  isNewerThan(time: string | undefined): boolean
}

/** Entries that a kubelet lists in `node.status.images` by default (`nodeStatusMaxImages`). */
const MAX_LISTED_IMAGES = 50
/** Names that a kubelet lists for one image (`maxNamesPerImageInNodeStatus`). */
const MAX_LISTED_NAMES = 5
/**
 * Greatest age of the kubelet's list when the controller sees it. By default the kubelet asks the runtime
 * every 30 s and reports every 10 s. A list that comes sooner after a pull may lack the image.
 */
const LIST_LAG_MS = 60_000

/**
 * The inventory that `node.status.images` gives.
 * The list may be whole where it has fewer entries than its default limit and no image has the greatest
 * number of names. A kubelet may have a lower limit, so an image that no list has shown may still be there.
 */
export function nodeListInventory(node: NodeFacts): Inventory {
  const isWhole =
    node.imageNames.length > 0 &&
    node.imageNames.length < MAX_LISTED_IMAGES &&
    node.mostNames < MAX_LISTED_NAMES
  return {
    isWhole,
    find: image => findInList(node, image, isWhole),
    isNewerThan: time => !time || (node.listSeenAt ?? 0) - LIST_LAG_MS > Date.parse(time),
  }
}

/**
 * Only the whole name counts: a runtime resolves `r:tag@digest` by `r@digest`, and neither by another name
 * of the same image nor by its parts.
 */
function findInList(node: NodeFacts, image: string, isWhole: boolean): Sighting {
  const reference = tryParseReference(image)
  if (!reference) return { state: 'absent' }
  const names = namesOf(node).get(normalizedName(reference))
  if (names === undefined) return isWhole ? { state: 'absent' } : { state: 'unknown' }
  const digest = reference.digest ?? digestIn(names, repositoryOf(reference))
  return { state: 'present', ...(digest !== undefined && { digest }) }
}

/** The list that was asked last, by name. A reconcile asks about all images of one node in a row. */
let latest: { readonly list: NodeFacts['imageNames']; readonly byName: ReadonlyMap<string, string> } = {
  list: [],
  byName: new Map(),
}

/** The names of each image, by each of its names. */
function namesOf({ imageNames: list }: NodeFacts): ReadonlyMap<string, string> {
  if (latest.list === list) return latest.byName
  const byName = new Map(
    list.flatMap(names =>
      names
        .split('\n')
        .filter(name => name !== '')
        .map(name => [name, names] as const),
    ),
  )
  latest = { list, byName }
  return byName
}

/** The digest that the names of an image give for a repository. */
function digestIn(names: string, repository: string): string | undefined {
  const name = names.split('\n').findLast(text => text.startsWith(`${repository}@`))
  return name?.slice(repository.length + 1)
}
