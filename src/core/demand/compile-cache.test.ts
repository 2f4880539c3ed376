import { describe, expect, it } from 'vitest'
import type { ImageCache } from '../../api/image-cache.ts'
import { compileCache } from './compile-cache.ts'
import type { GuardedField } from './job-template.ts'

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

  it('asks nodes for 1 100 images of one cache at most, and says which it leaves out', () => {
    const { lists } = compileCache(cache(names(1000, 'a'), names(1000, 'b'), names(10, 'c')), 'IfNotPresent')
    expect(lists.map(({ wanted }) => wanted.length)).toEqual([1000, 100, 0])
    expect(lists.map(({ refused }) => refused.length)).toEqual([0, 900, 10])
    expect(lists[1]?.refused[0]).toMatchObject({ image: 'r.test/b100:1', reason: 'TooManyImages' })
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
