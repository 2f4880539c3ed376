import { type CompiledCache, type CompiledList, refusedList } from './compile-cache.ts'

/**
 * How many lists all caches of a namespace may have, and how large the node selections of these may be
 * together.
 */
const MAX_LISTS = 1_000
const MAX_CONDITIONS = 25_000

interface Size {
  readonly lists: number
  readonly conditions: number
}

const EMPTY: Size = { lists: 0, conditions: 0 }

/**
 * Refuses the images of caches beyond what a namespace may have. The oldest caches come first.
 * Without it, one namespace with many caches would slow down the plan of every node for all.
 *
 * @param caches the oldest first
 */
export function withinNamespaceBounds(caches: readonly CompiledCache[]): CompiledCache[] {
  const used = new Map<string, Size>()
  return caches.map(compiled => {
    const namespace = compiled.cache.metadata.namespace ?? ''
    const size = plus(used.get(namespace) ?? EMPTY, compiled, 1)
    if (isBeyond(size)) return refused(compiled, namespace)
    used.set(namespace, size)
    return compiled
  })
}

/** The sizes of namespaces, kept up to date cache by cache. */
export class NamespaceSizes {
  readonly #sizes = new Map<string, Size>()

  /**
   * Replaces a cache of a namespace. Undefined: there was none, or is none now.
   * True where the namespace was or is beyond its bounds, so that other caches of it may be refused or
   * accepted.
   */
  replace(namespace: string, before: CompiledCache | undefined, now: CompiledCache | undefined): boolean {
    const old = this.#sizes.get(namespace) ?? EMPTY
    const without = before ? plus(old, before, -1) : old
    const size = now ? plus(without, now, 1) : without
    if (size.lists > 0) this.#sizes.set(namespace, size)
    else this.#sizes.delete(namespace)
    return isBeyond(old) || isBeyond(size)
  }
}

function plus(size: Size, { lists, conditions }: CompiledCache, sign: 1 | -1): Size {
  return { lists: size.lists + sign * lists.length, conditions: size.conditions + sign * conditions }
}

function isBeyond({ lists, conditions }: Size): boolean {
  return lists > MAX_LISTS || conditions > MAX_CONDITIONS
}

/** The refused lists of caches. Equal lists stay one object, so that nobody counts anew. */
const REFUSED = new WeakMap<readonly CompiledList[], readonly CompiledList[]>()

function refused(compiled: CompiledCache, namespace: string): CompiledCache {
  const message = `the image caches of namespace ${namespace} may have ${MAX_LISTS} lists, with ${MAX_CONDITIONS} labels, expressions, values and tolerations in all; older image caches come first`
  const lists = REFUSED.get(compiled.lists) ?? [refusedList([...compiled.specImages], message)]
  REFUSED.set(compiled.lists, lists)
  return { ...compiled, lists, conditions: 0 }
}
