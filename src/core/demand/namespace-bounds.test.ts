import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../test/builders/image-cache.ts'
import { withinNamespaceBounds } from './namespace-bounds.ts'

const withLists = (name: string, count: number, namespace = 'team') => {
  const cacheSpec = Array.from({ length: count }, (_, pool) => ({
    images: [`r.test/${name}:1`],
    nodeSelector: { pool: `${pool}` },
  }))
  return compiledOf(name, [], { cacheSpec }, {}, { namespace })
}

describe('withinNamespaceBounds', () => {
  it('leaves caches as they are where a namespace has 1 000 lists', () => {
    const caches = Array.from({ length: 5 }, (_, index) => withLists(`c${index}`, 200))
    expect(withinNamespaceBounds(caches)).toEqual(caches)
  })

  it('refuses the images of the youngest cache beyond, and of no other namespace', () => {
    const caches = Array.from({ length: 6 }, (_, index) => withLists(`c${index}`, 200))
    const other = withLists('other', 200, 'elsewhere')
    const bounded = withinNamespaceBounds([...caches, other])
    expect(bounded.map(({ lists }) => lists.length)).toEqual([200, 200, 200, 200, 200, 1, 200])
    expect(bounded[5]?.lists).toMatchObject([
      { wanted: [], refused: [{ image: 'r.test/c5:1', reason: 'TooManyLists' }] },
    ])
    expect(bounded[5]?.lists[0]?.refused[0]?.message).toContain('namespace team may have 1000 lists')
    expect(withinNamespaceBounds([...caches, other])[5]?.lists, 'the same object').toBe(bounded[5]?.lists)
  })

  it('counts the conditions of lists too', () => {
    const values = Array.from({ length: 4_900 }, (_, index) => `n${index}`)
    const nodeAffinity = {
      nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'In' as const, values }] }],
    }
    const caches = Array.from({ length: 6 }, (_, index) =>
      compiledOf(`c${index}`, [], { cacheSpec: [{ images: ['a:1'], nodeAffinity }] }),
    )
    const bounded = withinNamespaceBounds(caches)
    expect(bounded.map(({ lists }) => lists[0]?.wanted.length)).toEqual([1, 1, 1, 1, 1, 0])
  })
})
