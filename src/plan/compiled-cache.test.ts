import { describe, expect, it } from 'vitest'
import type { ImageCache } from '../api/image-cache.ts'
import { compileCache } from './compiled-cache.ts'

function cache(...lists: string[][]): ImageCache {
  return {
    metadata: { name: 'c', namespace: 'ns', uid: 'u' },
    spec: { cacheSpec: lists.map(images => ({ images })) },
  }
}

const names = (count: number, prefix: string) =>
  Array.from({ length: count }, (_, index) => `r.test/${prefix}${index}:1`)

describe('compileCache', () => {
  it('refuses what is no reference, and takes an image once', () => {
    const [list] = compileCache(cache(['r.test/a:1', 'r.test/a:1', 'UPPER']), 'IfNotPresent').lists
    expect(list?.wanted).toEqual([{ image: 'r.test/a:1', pullPolicy: 'IfNotPresent' }])
    expect(list?.refused).toMatchObject([{ image: 'UPPER', reason: 'InvalidReference' }])
  })

  it('asks nodes for 1 700 images of one cache at most, and says which it leaves out', () => {
    const { lists } = compileCache(cache(names(1000, 'a'), names(1000, 'b'), names(10, 'c')), 'IfNotPresent')
    expect(lists.map(({ wanted }) => wanted.length)).toEqual([1000, 700, 0])
    expect(lists.map(({ refused }) => refused.length)).toEqual([0, 300, 10])
    expect(lists[1]?.refused[0]).toMatchObject({ image: 'r.test/b700:1', reason: 'TooManyImages' })
  })
})
