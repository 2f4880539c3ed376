import { KubeError } from './errors.ts'
import type { KubeObject } from './object.ts'
import { isNewer, keyOf, type Store } from './store.ts'
import type { WatchEvent } from './watch.ts'

/** A watch event with a whole object. */
type ObjectEvent = Exclude<WatchEvent<KubeObject>, { type: 'BOOKMARK' }>

/**
 * Keeps a store equal to a collection of the API server, from lists, watch events and answers of writes.
 *
 * Versions say what is newer, as long as the API server's versions grow. They do not when etcd is restored
 * from a backup. Then a list is right, and the store is wrong.
 */
export class Replica<T extends KubeObject> {
  readonly #store: Store<T>
  readonly #project: (raw: KubeObject) => T
  #progress: string | undefined

  constructor(store: Store<T>, project: (raw: KubeObject) => T) {
    this.#store = store
    this.#project = project
  }

  /** The store contains all changes up to this resourceVersion. Undefined before the first list. */
  get progress(): string | undefined {
    return this.#progress
  }

  /** Takes over a watch event. Throws KubeError `Gone` when it is older than what was seen before. */
  apply(event: WatchEvent<KubeObject>): void {
    const { resourceVersion } = event.object.metadata
    if (resourceVersion && isNewer(this.#progress, resourceVersion)) {
      throw new KubeError(
        'Gone',
        `the API server went back from version ${this.#progress} to ${resourceVersion}`,
      )
    }
    if (event.type === 'DELETED') this.#remove(this.#project(event.object))
    else if (event.type !== 'BOOKMARK') this.#store.put(this.#project(event.object))
    if (resourceVersion) this.#progress = resourceVersion
  }

  /**
   * Takes over the answer of a write. It has no effect when the watch has passed its version: an object that is
   * not in the store was deleted.
   */
  upsert(object: T): void {
    if (this.#progress !== undefined && !isNewer(object.metadata.resourceVersion, this.#progress)) return
    this.#store.put(object)
  }

  /** Begins to take over a list. */
  startList(): Listing {
    const seen = new Set<string>()
    /** Listed objects that are older than the stored ones. */
    const older = new Map<string, T>()
    return {
      add: ({ type, object: raw }) => {
        const object = this.#project(raw)
        const key = keyOf(object)
        older.delete(key)
        if (type === 'DELETED') {
          seen.delete(key)
          this.#remove(object)
          return
        }
        seen.add(key)
        const stored = this.#store.get(key)
        if (isNewer(stored?.metadata.resourceVersion, object.metadata.resourceVersion)) older.set(key, object)
        else this.#store.put(object)
      },
      finish: resourceVersion => this.#finish({ seen, older, resourceVersion }),
    }
  }

  #finish({
    seen,
    older,
    resourceVersion,
  }: {
    readonly seen: ReadonlySet<string>
    readonly older: ReadonlyMap<string, T>
    readonly resourceVersion: string
  }): void {
    const isRestored = isNewer(this.#progress, resourceVersion)
    // The answer of a write may be newer than the list. The watch tells of it later.
    const isWrittenSince = (key: string) =>
      !isRestored && isNewer(this.#store.get(key)?.metadata.resourceVersion, resourceVersion)
    for (const key of this.#store.keys()) {
      if (!seen.has(key) && !isWrittenSince(key)) this.#store.delete(key)
    }
    for (const [key, object] of older) if (!isWrittenSince(key)) this.#store.replace(object)
    this.#progress = resourceVersion
  }

  #remove(last: T): void {
    const key = keyOf(last)
    const held = this.#store.get(key)
    // The store may already hold the next object of this name, from `upsert`.
    const isSuccessor =
      held?.metadata.uid !== last.metadata.uid &&
      isNewer(held?.metadata.resourceVersion, last.metadata.resourceVersion)
    if (!isSuccessor) this.#store.delete(key, last)
  }
}

/** A list that a replica takes over, object by object. */
export interface Listing {
  /** Takes over an object of the list, or a change of it before the list ends. */
  add(event: ObjectEvent): void
  /** Ends the list, which shows the collection at this version. What it does not contain is deleted. */
  finish(resourceVersion: string): void
}
