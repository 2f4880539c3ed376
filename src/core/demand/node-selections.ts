import type { CacheList } from '../../api/image-cache.ts'

/**
 * How many node selections one cache may have, and how large they may be together.
 * Each node is compared with them at each reconcile.
 */
const MAX_SELECTIONS = 200
const MAX_CONDITIONS = 5_000

/** Message for images of lists beyond the limit. */
export const TOO_MANY_LISTS = `an image cache may have ${MAX_SELECTIONS} lists for different nodes, with ${MAX_CONDITIONS} labels, expressions, values and tolerations in all; put the others into another one`

/** The lists of a cache, one for each node selection. */
export interface NodeSelections {
  /** At most `MAX_SELECTIONS`, in the order of the spec. Lists for the same nodes are one. */
  readonly lists: readonly CacheList[]
  /** Images of lists beyond the limit. */
  readonly beyond: readonly string[]
  /** Conditions of the lists, in all. */
  readonly conditions: number
}

/**
 * Joins lists for the same nodes, and takes as many as one cache may have. Linear in the size of the lists.
 */
export function nodeSelections(cacheLists: readonly CacheList[]): NodeSelections {
  const lists: CacheList[] = []
  const beyond: string[] = []
  let conditions = 0
  for (const [first, ...others] of Map.groupBy(cacheLists, selectionText).values()) {
    if (!first) continue
    const images = [...first.images]
    for (const list of others) for (const image of list.images) images.push(image)
    const more = conditionsOf(first)
    if (lists.length < MAX_SELECTIONS && conditions + more <= MAX_CONDITIONS) {
      conditions += more
      lists.push({ ...first, images })
    } else for (const image of images) beyond.push(image)
  }
  return { lists, beyond, conditions }
}

/** Equal for lists that are for the same nodes. */
export function selectionText({ nodeSelector, nodeAffinity, tolerations }: CacheList): string {
  const labels = Object.entries(nodeSelector ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([labels, nodeAffinity ?? null, tolerations ?? null])
}

/** Number of labels, expressions, values and tolerations of a list. */
function conditionsOf({ nodeSelector, nodeAffinity, tolerations }: CacheList): number {
  let count = Object.keys(nodeSelector ?? {}).length + (tolerations?.length ?? 0)
  for (const { matchExpressions = [], matchFields = [] } of nodeAffinity?.nodeSelectorTerms ?? []) {
    count += 1
    for (const { values = [] } of [...matchExpressions, ...matchFields]) count += 1 + values.length
  }
  return count
}
