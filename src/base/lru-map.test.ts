import { describe, expect, it } from 'vitest'
import { LruMap } from './lru-map.ts'

describe('LruMap', () => {
  it('drops the least recently used entry', () => {
    const map = new LruMap<string, number>(2)
    const made: string[] = []
    const ask = (key: string) => map.getOrMake(key, () => made.push(key))
    ask('a')
    ask('b')
    ask('a')
    ask('c')
    expect(map.size).toBe(2)
    ask('a')
    expect(made).toEqual(['a', 'b', 'c'])
    ask('b')
    expect(made).toEqual(['a', 'b', 'c', 'b'])
  })
})
