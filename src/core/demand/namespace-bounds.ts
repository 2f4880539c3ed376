import { type CompiledCache, refusedList } from './compile-cache.ts'

/**
 * How many lists all caches of a namespace may have, and how large the node selections of these may be
 * together.
 */
const MAX_LISTS = 1_000
const MAX_CONDITIONS = 25_000

/**
 * Refuses the images of caches beyond what a namespace may have. The oldest caches come first.
 * Without it, one namespace with many caches would slow down the plan of every node for all.
 *
 * @param caches the oldest first
 */
export function withinNamespaceBounds(caches: readonly CompiledCache[]): CompiledCache[] {
  const used = new Map<string, { lists: number; conditions: number }>()
  return caches.map(compiled => {
    const namespace = compiled.cache.metadata.namespace ?? ''
    const { lists, conditions } = used.get(namespace) ?? { lists: 0, conditions: 0 }
    const next = { lists: lists + compiled.lists.length, conditions: conditions + compiled.conditions }
    if (next.lists > MAX_LISTS || next.conditions > MAX_CONDITIONS) return refused(compiled, namespace)
    used.set(namespace, next)
    return compiled
  })
}

function refused(compiled: CompiledCache, namespace: string): CompiledCache {
  const message = `the image caches of namespace ${namespace} may have ${MAX_LISTS} lists, with ${MAX_CONDITIONS} labels, expressions, values and tolerations in all; older image caches come first`
  return { ...compiled, lists: [refusedList([...compiled.specImages], message)], conditions: 0 }
}
