import {
  type DesiredImage,
  type LedgerEntry,
  type NodeImages,
  type Presence,
  entryKey,
} from '../api/node-images.ts'
import { Interner } from '../base/interner.ts'

/** Values that are shared, of each kind: enough for some thousand images in several states. */
const SHARED = 20_000

/**
 * Projects NodeImages for the memory of the controller: equal parts of thousands of nodes are one object.
 * Lists are sorted by key, also where somebody edited the object by hand.
 */
export class NodeImagesProjection {
  readonly #texts = new Interner<string>(SHARED)
  readonly #objects = new Interner<object>(SHARED)

  /** The object as it is kept. Nothing may change it. */
  project(raw: NodeImages): NodeImages {
    const { metadata, spec, status } = raw
    const { name, uid, resourceVersion, ownerReferences, deletionTimestamp } = metadata
    return {
      metadata: {
        name,
        ...(uid !== undefined && { uid }),
        ...(resourceVersion !== undefined && { resourceVersion }),
        ...(ownerReferences && { ownerReferences }),
        ...(deletionTimestamp !== undefined && { deletionTimestamp }),
      },
      ...(spec && {
        spec: {
          ...spec,
          ...(spec.owners && { owners: this.#object(spec.owners) }),
          ...(spec.images && { images: sorted(spec.images).map(image => this.#desired(image)) }),
          ...(spec.remove && { remove: sorted(spec.remove) }),
        },
      }),
      ...(status && {
        status: {
          ...status,
          ...(status.counts && { counts: this.#object(status.counts) }),
          ...(status.images && { images: sorted(status.images).map(entry => this.#entry(entry)) }),
        },
      }),
    }
  }

  #desired(image: DesiredImage): DesiredImage {
    return this.#object(image)
  }

  #entry(entry: LedgerEntry): LedgerEntry {
    return {
      ...entry,
      image: this.#text(entry.image),
      ...(entry.presence && { presence: this.#presence(entry.presence) }),
      ...(entry.attempt && { attempt: this.#object(entry.attempt) }),
      ...(entry.owners && { owners: this.#object(entry.owners) }),
      ...(entry.lists && { lists: this.#object(entry.lists) }),
    }
  }

  #presence(presence: Presence): Presence {
    const { since, digest, registryDigest } = presence
    return {
      ...presence,
      since: this.#text(since),
      ...(digest !== undefined && { digest: this.#text(digest) }),
      ...(registryDigest !== undefined && { registryDigest: this.#text(registryDigest) }),
    }
  }

  #text(text: string): string {
    return this.#texts.share(text, text)
  }

  #object<T extends object>(value: T): T {
    // The key is the JSON of the value, so that what comes back is equal to it.
    return this.#objects.share(JSON.stringify(value), value) as T
  }
}

function sorted<T extends { readonly image: string; readonly credential?: string | undefined }>(
  items: readonly T[],
): T[] {
  const isSorted = items.every((item, index) => {
    const before = items[index - 1]
    return before === undefined || entryKey(before) <= entryKey(item)
  })
  return isSorted ? [...items] : items.toSorted((a, b) => (entryKey(a) < entryKey(b) ? -1 : 1))
}
