import { entryKey } from '../../api/node-images.ts'

/**
 * The entry with this key in a list that is sorted by key, as all lists of a NodeImages are.
 * A search by halves: a map for each of thousands of nodes would need more memory than the lists.
 */
export function findEntry<T extends { readonly image: string; readonly credential?: string | undefined }>(
  sorted: readonly T[],
  key: string,
): T | undefined {
  let low = 0
  let high = sorted.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const entry = sorted[middle]
    if (entry === undefined) return undefined
    const found = entryKey(entry)
    if (found === key) return entry
    if (found < key) low = middle + 1
    else high = middle - 1
  }
  return undefined
}
