import { describe, expect, it } from 'vitest'
import type { CacheList, ImageCache } from '../../api/image-cache.ts'
import { compileCache } from './compile-cache.ts'
import type { GuardedField } from './job-template.ts'

/** Lists for different nodes. */
function cache(...lists: string[][]): ImageCache {
  return cacheOfLists(lists.map((images, pool) => ({ images, nodeSelector: { pool: `${pool}` } })))
}

function cacheOfLists(cacheSpec: CacheList[], name = 'c', namespace = 'ns'): ImageCache {
  return { metadata: { name, namespace, uid: `uid-of-${name}` }, spec: { cacheSpec } }
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
    const { lists } = compileCache(
      cache(names(1_000, 'a'), names(1_000, 'b'), names(10, 'c')),
      'IfNotPresent',
    )
    expect(lists.map(({ wanted }) => wanted.length)).toEqual([1_000, 700, 0])
    expect(lists.map(({ refused }) => refused.length)).toEqual([0, 300, 10])
    expect(lists[1]?.refused[0]).toMatchObject({ image: 'r.test/b700:1', reason: 'TooManyImages' })
  })

  it('joins lists for the same nodes', () => {
    const { lists } = compileCache(
      cacheOfLists([
        { images: ['a:1', 'b:1'], nodeSelector: { x: '1', y: '2' } },
        { images: ['c:1'] },
        { images: ['b:1', 'd:1'], nodeSelector: { y: '2', x: '1' } },
        { images: ['e:1'], nodeSelector: {} },
        { images: ['f:1'], tolerations: [] },
      ]),
      'IfNotPresent',
    )
    expect(lists.map(({ images }) => [...images])).toEqual([['a:1', 'b:1', 'd:1'], ['c:1', 'e:1'], ['f:1']])
    expect(new Set(lists.map(({ listHash }) => listHash)).size).toBe(3)
  })

  it('gives no hash to lists that are one', () => {
    const { lists } = compileCache(cacheOfLists([{ images: ['a:1'] }, { images: ['b:1'] }]), 'IfNotPresent')
    expect(lists).toHaveLength(1)
    expect(lists[0]?.listHash).toBeUndefined()
  })

  describe('with more lists than nodes can be compared with', () => {
    it('takes 200, and refuses the images of the others', () => {
      const { lists } = compileCache(cache(...names(300, 'a').map(image => [image])), 'IfNotPresent')
      expect(lists).toHaveLength(201)
      expect(lists.slice(0, 200).every(({ wanted }) => wanted.length === 1)).toBe(true)
      expect(lists[200]?.wanted).toEqual([])
      expect(lists[200]?.refused).toHaveLength(100)
      expect(lists[200]?.refused[0]).toMatchObject({ image: 'r.test/a200:1', reason: 'TooManyLists' })
    })

    it.each<[string, Partial<CacheList>]>([
      ['tolerations', { tolerations: Array.from({ length: 5_001 }, (_, index) => ({ key: `${index}` })) }],
      ['labels', { nodeSelector: Object.fromEntries(names(5_001, 'a').map(name => [name, ''])) }],
      [
        'values',
        {
          nodeAffinity: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key: 'a', operator: 'In', values: names(5_001, 'a') }] },
            ],
          },
        },
      ],
      ['terms', { nodeAffinity: { nodeSelectorTerms: Array.from({ length: 5_001 }, () => ({})) } }],
    ])('refuses a list with 5 001 %s, and takes a smaller one', (_, selection) => {
      const { lists } = compileCache(
        cacheOfLists([{ images: ['a:1'], ...selection }, { images: ['b:1'] }]),
        'IfNotPresent',
      )
      expect(lists.map(({ wanted }) => wanted.map(({ image }) => image))).toEqual([['b:1'], []])
      expect(lists[1]?.refused).toMatchObject([{ image: 'a:1', reason: 'TooManyLists' }])
    })
  })

  describe('what spec.jobTemplate may not have', () => {
    const guarded = { ...cache(['r.test/a:1'], ['UPPER']) }
    const compiled = (jobTemplate: ImageCache['spec']['jobTemplate'], ...allowed: GuardedField[]) => {
      const spec = { ...guarded.spec, ...(jobTemplate && { jobTemplate }) }
      return compileCache({ ...guarded, spec }, 'IfNotPresent', { allowed: new Set(allowed) }).lists
    }

    it.each<[string, ImageCache['spec']['jobTemplate'], GuardedField[], RegExp | undefined]>([
      ['nothing', undefined, [], undefined],
      ['what is no concern', { labels: { a: 'b' }, resources: { limits: { cpu: 1 } } }, [], undefined],
      ['an empty name', { serviceAccountName: '' }, [], undefined],
      [
        'an account',
        { serviceAccountName: 'puller' },
        [],
        /^spec\.jobTemplate\.serviceAccountName .*=serviceAccountName\)$/,
      ],
      ['an account that is allowed', { serviceAccountName: 'puller' }, ['serviceAccountName'], undefined],
      [
        'a runtime class',
        { runtimeClassName: 'kata' },
        ['serviceAccountName', 'priorityClassName'],
        /runtimeClassName/,
      ],
      ['a priority class', { priorityClassName: 'high' }, ['serviceAccountName'], /priorityClassName/],
      ['a priority class that is allowed', { priorityClassName: 'high' }, ['priorityClassName'], undefined],
      [
        'a system class',
        { priorityClassName: 'system-node-critical' },
        ['priorityClassName'],
        /never for an image cache/,
      ],
    ])('%s', (_, jobTemplate, allowed, words) => {
      const [first, second] = compiled(jobTemplate, ...allowed)
      if (words) {
        expect(first).toMatchObject({ wanted: [], refused: [{ image: 'r.test/a:1', reason: 'NotAllowed' }] })
        expect(first?.refused[0]?.message).toMatch(words)
      } else expect(first).toMatchObject({ wanted: [{ image: 'r.test/a:1' }], refused: [] })
      expect(second?.refused).toMatchObject([{ image: 'UPPER', reason: 'InvalidReference' }])
    })
  })
})
