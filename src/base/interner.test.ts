import { describe, expect, it } from 'vitest'
import { Interner } from './interner.ts'

describe('an interner', () => {
  it('gives equal values the same object', () => {
    const interner = new Interner<{ a: number }>(10)
    const first = { a: 1 }
    expect(interner.share('1', first)).toBe(first)
    expect(interner.share('1', { a: 1 })).toBe(first)
    expect(interner.share('2', { a: 2 })).not.toBe(first)
  })

  it('keeps values that are used, and lets go of the others', () => {
    const interner = new Interner<object>(2)
    const used = {}
    const unused = {}
    interner.share('used', used)
    interner.share('unused', unused)
    for (const key of ['a', 'b', 'c', 'd', 'e']) {
      interner.share(key, {})
      expect(interner.share('used', {})).toBe(used)
    }
    expect(interner.share('unused', {})).not.toBe(unused)
  })
})
