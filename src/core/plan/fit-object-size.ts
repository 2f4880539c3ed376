import { type DesiredImage, type Removal, entryKey } from '../../api/node-images.ts'
import type { CompiledCache } from '../demand/index.ts'

/**
 * Room for the images of one node, in bytes. Spec and ledger are one object, and etcd takes up to 1.5 MiB.
 * The rest is for ledger entries of images that nobody wants any more. There are few.
 */
const ROOM_BYTES = 1_330_000
/**
 * Greatest number of bytes of an image without names: it is present, and its refresh failed with a long
 * message.
 */
const IMAGE_BYTES = 1_000
/**
 * Greatest number of bytes of a removal without names: the image is present, and its removal failed with a
 * long message.
 */
const REMOVAL_BYTES = 900
/** Names of the fields of a credential and of lists, in the spec and in the ledger. */
const FIELD_BYTES = 50
/** Bytes of a short hash of a cache or a list, with quotes and comma, in the spec and in the ledger. */
const OWNER_BYTES = 22

/** The images that fit into the NodeImages of a node. */
export interface FittedImages {
  readonly images: readonly DesiredImage[]
  /** Short hashes of the UIDs of the caches with images that do not fit. */
  readonly crowdedOut: readonly string[]
}

/**
 * Leaves out what the NodeImages of a node has no room for, about 1 100 images: all caches together might
 * outgrow it, and an object that cannot be written helps nobody. The oldest caches keep their images.
 *
 * @param images sorted, with the oldest owner of each first
 * @param caches the oldest first
 * @param removals what is to be removed from the node needs room until it is
 */
export function fitObjectSize(
  images: readonly DesiredImage[],
  caches: readonly CompiledCache[],
  removals: readonly Removal[],
): FittedImages {
  const free = removals.reduce((room, removal) => room - bytesOf(removal), ROOM_BYTES)
  let left = free
  for (const image of images) left -= bytesOf(image)
  if (left >= 0) return { images, crowdedOut: [] }
  const age = new Map(caches.map(({ owner }, index) => [owner, index]))
  const ageOf = (image: DesiredImage) => age.get(image.owners[0] ?? '') ?? caches.length
  const kept = new Set<DesiredImage>()
  const crowdedOut = new Set<string>()
  let room = free
  for (const image of images.toSorted((a, b) => ageOf(a) - ageOf(b))) {
    room -= bytesOf(image)
    if (room >= 0) kept.add(image)
    else for (const owner of image.owners) crowdedOut.add(owner)
  }
  return { images: images.filter(image => kept.has(image)), crowdedOut: [...crowdedOut].toSorted() }
}

function bytesOf(image: DesiredImage | Removal): number {
  const secrets = 'pullSecrets' in image ? Buffer.byteLength(JSON.stringify(image.pullSecrets)) : 0
  const lists = 'lists' in image ? (image.lists?.length ?? 0) : 0
  const fields = (image.credential === undefined ? 0 : 1) + (lists > 0 ? 1 : 0)
  return (
    ('pullPolicy' in image ? IMAGE_BYTES : REMOVAL_BYTES) +
    FIELD_BYTES * fields +
    2 * Buffer.byteLength(entryKey(image)) +
    secrets +
    OWNER_BYTES * (image.owners.length + lists)
  )
}
