import { type Removal, entryKey } from '../../api/node-images.ts'
import { type CompiledCache, pullSecretNames } from '../demand/index.ts'
import { MESSAGES_BYTES } from '../ledger/index.ts'
import type { Claim } from './claims.ts'

/**
 * Room for the images of one node, in bytes. Spec and ledger are one object, and etcd takes up to 1.5 MiB.
 * The rest is for ledger entries of images that nobody wants any more. There are few.
 */
const ROOM_BYTES = 1_425_000 - MESSAGES_BYTES
/**
 * Greatest number of bytes of an image without names and messages: it is present, and its refresh failed.
 */
const IMAGE_BYTES = 610
/** Bytes that an image adds whose tag may move: a digest of the registry, and the round of a refresh. */
const MOVING_BYTES = 140
/**
 * Greatest number of bytes of a removal without names and messages: the image is present, its removal
 * failed.
 */
const REMOVAL_BYTES = 600
/** Names of the fields of a credential and of lists, in the spec and in the ledger. */
const FIELD_BYTES = 50
/** Bytes of a short hash of a cache or a list, with quotes and comma, in the spec and in the ledger. */
const HASH_BYTES = 22
/** Greatest number of bytes of a cache in `spec.owners`, without its name. */
const OWNER_BYTES = 90
/** Greatest number of bytes of the name of a cache with its namespace. */
const LONGEST_NAME = 317

/** The claims that fit into the NodeImages of a node. */
export interface FittedClaims {
  readonly claims: readonly Claim[]
  /** Caches with a claim that does not fit. */
  readonly crowdedOut: readonly CompiledCache[]
}

/**
 * Leaves out what the NodeImages of a node has no room for, about 1 700 images: all caches together might
 * outgrow it, and an object that cannot be written helps nobody.
 *
 * Namespaces get equal shares. What one of them leaves free is for the others. Within a namespace the oldest
 * caches come first, so a younger cache never pushes out an older one.
 *
 * @param claims the oldest cache first
 * @param removals what is to be removed from the node needs room until it is
 */
export function fitObjectSize(claims: readonly Claim[], removals: readonly Removal[]): FittedClaims {
  let room = ROOM_BYTES - bytesOfRemovals(removals)
  const all = new Meter()
  let bytes = 0
  for (const claim of claims) bytes += all.add(claim)
  if (bytes <= room) return { claims, crowdedOut: [] }

  const kept = new Set<Claim>()
  const meter = new Meter()
  for (const claim of inTurn(claims)) {
    room -= meter.add(claim)
    if (room < 0) break
    kept.add(claim)
  }
  return {
    claims: claims.filter(claim => kept.has(claim)),
    crowdedOut: [...new Set(claims.filter(claim => !kept.has(claim)).map(({ cache }) => cache))],
  }
}

/**
 * The claims in the order in which they get room: by what the namespace of each would need up to it, if it
 * were alone on the node. So all namespaces fill up side by side, and a claim has the same place whatever
 * comes after it.
 */
function inTurn(claims: readonly Claim[]): Claim[] {
  const meters = new Map<string, { readonly meter: Meter; bytes: number }>()
  const turns = claims.map(claim => {
    const namespace = claim.cache.cache.metadata.namespace ?? ''
    const own = meters.get(namespace) ?? { meter: new Meter(), bytes: 0 }
    meters.set(namespace, own)
    own.bytes += own.meter.add(claim)
    return { claim, bytes: own.bytes }
  })
  return turns.toSorted((a, b) => a.bytes - b.bytes).map(({ claim }) => claim)
}

/** Says how many bytes each claim adds to an object that has those before it. */
class Meter {
  readonly #images = new Set<string>()
  readonly #moving = new Set<string>()
  readonly #owners = new Set<string>()

  add({ cache, key, lists, pullPolicy }: Claim): number {
    let bytes = HASH_BYTES * (1 + lists.length)
    if (lists.length > 0) bytes += FIELD_BYTES
    if (!this.#images.has(key)) bytes += bytesOfImage(key, cache)
    if (!this.#owners.has(cache.owner)) bytes += OWNER_BYTES + Buffer.byteLength(cache.key)
    if (pullPolicy === 'Always') {
      if (!this.#moving.has(key)) bytes += MOVING_BYTES
      this.#moving.add(key)
    }
    this.#images.add(key)
    this.#owners.add(cache.owner)
    return bytes
  }
}

function bytesOfImage(key: string, { cache, credential }: CompiledCache): number {
  const secrets = pullSecretNames(cache).map(name => ({ name }))
  return (
    IMAGE_BYTES +
    2 * Buffer.byteLength(key) +
    (credential === undefined ? 0 : FIELD_BYTES + Buffer.byteLength(JSON.stringify(secrets)))
  )
}

function bytesOfRemovals(removals: readonly Removal[]): number {
  let bytes = 0
  const caches = new Set<string>()
  for (const removal of removals) {
    bytes += REMOVAL_BYTES + (removal.credential === undefined ? 0 : FIELD_BYTES)
    bytes += 2 * Buffer.byteLength(entryKey(removal)) + HASH_BYTES * removal.owners.length
    for (const owner of removal.owners) caches.add(owner)
  }
  return bytes + (OWNER_BYTES + LONGEST_NAME) * caches.size
}
