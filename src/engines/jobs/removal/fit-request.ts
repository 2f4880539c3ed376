import type { KeptReferences } from '../../../core/plan/index.ts'

/**
 * Greatest number of images of one Job. Their answers, with failure messages, fit into a termination message.
 */
const MAX_IMAGES = 200
/** Longest reference with names, a tag and a digest as registries take them, in bytes. */
const MAX_REFERENCE = 2_000
/** Room of a request, in bytes. The rest of `REQUEST_LIMITS` is for quotes and names of fields. */
const REMOVE_BYTES = 48 * 1024
const KEEP_BYTES = 128 * 1024
const MAX_KEPT = 4_000

/** True for a text of a size that no image of a registry has. */
export function isOverlong(image: string): boolean {
  return Buffer.byteLength(image) > MAX_REFERENCE
}

/** The first of these references that fit into one request. */
export function fitRemovals<T extends { readonly image: string }>(removals: readonly T[]): T[] {
  let left = REMOVE_BYTES
  return removals.slice(0, MAX_IMAGES).filter(({ image }) => {
    left -= bytesOf(image)
    return left >= 0
  })
}

/**
 * What a request names to be kept. Where a repository has more wanted names than the request has room for,
 * all its digests stay: too much is kept then, and nothing that is wanted is removed.
 * Undefined where even that does not fit.
 */
export function fitKept(
  { byRepository, lookedUp }: KeptReferences,
  ownImages: readonly string[],
): { readonly keep: readonly string[]; readonly keepRepositories: readonly string[] } | undefined {
  const keep = [...ownImages, ...lookedUp]
  const keepRepositories: string[] = []
  let left = KEEP_BYTES - keep.reduce((sum, name) => sum + bytesOf(name), 0)
  // The smallest first: one repository with very many names does not take the room of the others.
  for (const [repository, names] of [...byRepository].toSorted(([, a], [, b]) => a.length - b.length)) {
    const bytes = names.reduce((sum, name) => sum + bytesOf(name), 0)
    if (bytes <= left && keep.length + names.length <= MAX_KEPT) {
      keep.push(...names)
      left -= bytes
    } else {
      keepRepositories.push(repository)
    }
  }
  return keep.length <= MAX_KEPT && left >= 0 ? { keep, keepRepositories } : undefined
}

/** Bytes of a reference in the JSON of a request. */
function bytesOf(reference: string): number {
  return Buffer.byteLength(JSON.stringify(reference)) + 1
}
