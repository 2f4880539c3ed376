import type { KubeObject } from './object.ts'
import type { Logger } from '../base/logger.ts'

/** A change of an object in an informer's store. */
export interface Change<T> {
  readonly type: 'added' | 'updated' | 'deleted'
  /** The new object. For a deletion, its last known state. */
  readonly object: T
  /** The object before an update. */
  readonly previous?: T
}

/** Receives changes. It must not throw. If it does, the error is logged and the other handlers run. */
export type ChangeHandler<T> = (change: Change<T>) => void

/** Computes the index values of an object. It must be pure: it runs again when the object is removed. */
export type Indexer<T> = (object: T) => readonly string[]

/** `namespace/name`, or `name` for a cluster-scoped object. */
export function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata
  return namespace ? `${namespace}/${name}` : name
}

/**
 * True when `a` is a later version than `b`. A resourceVersion is a decimal number that may exceed 2^53.
 * Versions of one resource can be compared by order (KEP-5504).
 */
export function isNewer(a: string | undefined, b: string | undefined): boolean {
  if (!a) return false
  return !b || BigInt(a) > BigInt(b)
}

/** Objects by key, with indexes. Subscribers receive each change. */
export class Store<T extends KubeObject> {
  readonly #objects = new Map<string, T>()
  readonly #indexers: Readonly<Record<string, Indexer<T>>>
  readonly #indexes = new Map<string, Map<string, Set<string>>>()
  readonly #handlers: ChangeHandler<T>[] = []
  readonly #log: Logger

  constructor(indexers: Readonly<Record<string, Indexer<T>>>, log: Logger) {
    this.#indexers = indexers
    this.#log = log
    for (const name of Object.keys(indexers)) this.#indexes.set(name, new Map())
  }

  get size(): number {
    return this.#objects.size
  }

  get(key: string): T | undefined {
    return this.#objects.get(key)
  }

  values(): IterableIterator<T> {
    return this.#objects.values()
  }

  keys(): IterableIterator<string> {
    return this.#objects.keys()
  }

  byIndex(name: string, value: string): readonly T[] {
    const index = this.#indexes.get(name)
    if (!index) throw new RangeError(`no index "${name}"`)
    const keys = index.get(value)
    return keys ? Array.from(keys, key => this.#objects.get(key)).filter(object => object !== undefined) : []
  }

  /** Calls the handler with each object as `added`, then with each change. */
  subscribe(handler: ChangeHandler<T>): void {
    this.#handlers.push(handler)
    for (const object of this.#objects.values()) this.#tell(handler, { type: 'added', object })
  }

  /**
   * Stores an object when it is newer than the stored one. An object with another UID than the stored one of
   * the same name gives two changes: the deletion of the old one and the addition of the new one.
   */
  put(object: T): void {
    const { metadata } = this.#objects.get(keyOf(object)) ?? {}
    if (!metadata || isNewer(object.metadata.resourceVersion, metadata.resourceVersion)) this.replace(object)
  }

  /** Stores an object, also when it is older than the stored one. Has no effect on the same version. */
  replace(object: T): void {
    const key = keyOf(object)
    const previous = this.#objects.get(key)
    if (previous && previous.metadata.uid === object.metadata.uid) {
      if (previous.metadata.resourceVersion === object.metadata.resourceVersion) return
      this.#unindex(key, previous)
      this.#set(key, object)
      this.#notify({ type: 'updated', object, previous })
      return
    }
    this.delete(key)
    this.#set(key, object)
    this.#notify({ type: 'added', object })
  }

  /** Removes an object. Handlers receive `last` as its last state, else the stored one. */
  delete(key: string, last?: T): void {
    const previous = this.#objects.get(key)
    if (!previous) return
    this.#objects.delete(key)
    this.#unindex(key, previous)
    this.#notify({ type: 'deleted', object: last ?? previous })
  }

  #set(key: string, object: T): void {
    this.#objects.set(key, object)
    for (const [name, indexer] of Object.entries(this.#indexers)) {
      const index = this.#indexes.get(name)
      for (const value of indexer(object)) {
        const keys = index?.get(value)
        if (keys) keys.add(key)
        else index?.set(value, new Set([key]))
      }
    }
  }

  #unindex(key: string, object: T): void {
    for (const [name, indexer] of Object.entries(this.#indexers)) {
      const index = this.#indexes.get(name)
      for (const value of indexer(object)) {
        const keys = index?.get(value)
        keys?.delete(key)
        if (keys?.size === 0) index?.delete(value)
      }
    }
  }

  #notify(change: Change<T>): void {
    for (const handler of this.#handlers) this.#tell(handler, change)
  }

  #tell(handler: ChangeHandler<T>, change: Change<T>): void {
    try {
      handler(change)
    } catch (err) {
      this.#log.error({ err, type: change.type, key: keyOf(change.object) }, 'change handler failed')
    }
  }
}
