import { isDeepStrictEqual } from 'node:util'

/** JSON without functions and dates. */
type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/**
 * The JSON merge patch (RFC 7386) that turns `before` into `after`. Undefined when they are equal. A list is
 * replaced as a whole. A removed field becomes null.
 */
export function mergePatchOf(before: unknown, after: unknown): unknown {
  return diff(before as Json | undefined, after as Json | undefined)
}

function diff(before: Json | undefined, after: Json | undefined): Json | undefined {
  if (!isMap(before) || !isMap(after)) return isDeepStrictEqual(before, after) ? undefined : (after ?? null)
  const changes: [string, Json][] = []
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [old, now] = [own(before, key), own(after, key)]
    if (now === undefined) {
      if (old !== undefined) changes.push([key, null])
      continue
    }
    const change = diff(old, now)
    if (change !== undefined) changes.push([key, change])
  }
  return changes.length > 0 ? Object.fromEntries(changes) : undefined
}

function own(map: { readonly [key: string]: Json }, key: string): Json | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined
}

function isMap(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
