import { normalizedName, repositoryOf, tryParseReference } from '../oci/reference.ts'
import type { CriContainer, CriImage } from './client.ts'

/** A name of an image in the runtime's list. */
export interface ImageName {
  /** The name as the runtime lists it. */
  readonly listed: string
  /** The name in the form of `normalizedName`, for comparison. */
  readonly normalized: string
  readonly repository: string
  readonly kind: 'tag' | 'digest'
}

/** An image and its parsed names. */
export interface IndexedImage {
  readonly image: CriImage
  readonly names: readonly ImageName[]
}

/** Finds images by ID and by name, in any spelling of the runtimes. */
export class ImageIndex {
  readonly #byName = new Map<string, IndexedImage>()
  readonly #byId = new Map<string, IndexedImage>()

  constructor(images: readonly CriImage[]) {
    for (const image of mergeById(images)) {
      const indexed = { image, names: namesOf(image) }
      this.#byId.set(bareId(image.id), indexed)
      for (const { normalized } of indexed.names) this.#byName.set(normalized, indexed)
    }
  }

  /** The image with this name, in the form of `normalizedName`. */
  byName(normalized: string): IndexedImage | undefined {
    return this.#byName.get(normalized)
  }

  /** The image that a container refers to by ID, tag or digest. */
  resolve(text: string): IndexedImage | undefined {
    const plain = text.replace(/^docker(-pullable)?:\/\//, '')
    const byId = this.#byId.get(bareId(plain))
    if (byId) return byId
    const reference = tryParseReference(plain)
    return reference && this.#byName.get(normalizedName(reference))
  }
}

/**
 * For each image in use: the first container that uses it, by the image's ID. Leftover containers do not
 * count.
 */
export function usersOf(
  index: ImageIndex,
  containers: readonly CriContainer[],
): ReadonlyMap<string, CriContainer> {
  const users = new Map<string, CriContainer>()
  for (const container of containers.filter(({ leftover }) => !leftover)) {
    for (const text of container.images) {
      const used = index.resolve(text)
      if (used && !users.has(used.image.id)) users.set(used.image.id, container)
    }
  }
  return users
}

/** IDs of the leftover containers of each image, by the image's ID. */
export function leftoversOf(
  index: ImageIndex,
  containers: readonly CriContainer[],
): ReadonlyMap<string, ReadonlySet<string>> {
  const leftovers = new Map<string, Set<string>>()
  for (const container of containers.filter(({ leftover }) => leftover)) {
    for (const text of container.images) {
      const id = index.resolve(text)?.image.id
      if (id !== undefined) leftovers.set(id, (leftovers.get(id) ?? new Set()).add(container.id))
    }
  }
  return leftovers
}

/** CRI-O lists an artifact once per tag. Merge these entries. */
function mergeById(images: readonly CriImage[]): readonly CriImage[] {
  const merged = new Map<string, CriImage>()
  for (const image of images) {
    const other = merged.get(image.id)
    const union = (field: 'repoTags' | 'repoDigests') => [
      ...new Set([...(other?.[field] ?? []), ...image[field]]),
    ]
    merged.set(image.id, {
      ...image,
      repoTags: union('repoTags'),
      repoDigests: union('repoDigests'),
      pinned: image.pinned || other?.pinned === true,
    })
  }
  return [...merged.values()]
}

function namesOf(image: CriImage): ImageName[] {
  const read = (listed: string, kind: ImageName['kind']): ImageName[] => {
    if (listed.includes('<none>') || isDigest(listed)) return []
    const reference = tryParseReference(listed)
    // Keep a name that cannot be parsed: somebody gave it to the image.
    if (!reference) return [{ listed, normalized: listed, repository: listed, kind: 'tag' }]
    return [{ listed, normalized: normalizedName(reference), repository: repositoryOf(reference), kind }]
  }
  return [
    ...image.repoTags.flatMap(tag => read(tag, 'tag')),
    ...image.repoDigests.flatMap(digest => read(digest, 'digest')),
  ]
}

/** Docker lists an artifact with several tags only by its digest. */
function isDigest(listed: string): boolean {
  return /^[a-z0-9]+:[0-9a-f]{64,}$/.test(listed)
}

function bareId(id: string): string {
  return id.replace(/^sha256:/, '')
}
