import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mergePatchOf } from './merge-patch.ts'

/** RFC 7386, section 2. */
function apply(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const base = typeof target === 'object' && target !== null && !Array.isArray(target) ? target : {}
  const entries = new Map(Object.entries(base))
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) entries.delete(key)
    else entries.set(key, apply(entries.get(key), value))
  }
  return Object.fromEntries(entries)
}

const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.integer(), { maxLength: 3 }))
const map = fc.letrec(tie => ({
  node: fc.oneof({ maxDepth: 3 }, leaf, fc.dictionary(fc.string(), tie('node'), { maxKeys: 4 })),
})).node
const root = fc.dictionary(fc.string(), map, { maxKeys: 5 })

describe('mergePatchOf', () => {
  it('turns one object into the other', () => {
    fc.assert(
      fc.property(root, root, (before, after) => {
        const patch = mergePatchOf(before, after)
        const result = patch === undefined ? before : apply(before, patch)
        expect(JSON.parse(JSON.stringify(result))).toEqual(JSON.parse(JSON.stringify(after)))
      }),
    )
  })

  it('is undefined when nothing changed', () => {
    fc.assert(fc.property(root, value => mergePatchOf(value, structuredClone(value)) === undefined))
  })

  it('ignores the order of fields in lists of objects', () => {
    expect(mergePatchOf({ l: [{ a: 1, b: 2 }] }, { l: [{ b: 2, a: 1 }] })).toBeUndefined()
  })

  it('removes missing fields', () => {
    expect(mergePatchOf({ a: 1, b: { c: 2, d: 3 } }, { b: { d: 3 } })).toEqual({ a: null, b: { c: null } })
  })
})
