import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../test/builders/image-cache.ts'
import { nodeOf, nodeWith } from '../../../test/builders/node.ts'
import { at } from '../../../test/builders/time.ts'
import type { DesiredImage } from '../../api/node-images.ts'
import type { CompiledCache } from '../demand/index.ts'
import type { NodeFacts } from '../node/index.ts'
import { claimsOf } from './claims.ts'
import { type ImagesInput, byAge, planImages, startableKeys } from './plan-images.ts'

const DIGEST = `sha256:${'ab'.repeat(32)}`
const NODE = nodeOf('n1')

/** The images of a node that was asked for nothing before. */
function plan(
  caches: readonly CompiledCache[],
  { node = NODE, ...changes }: Partial<ImagesInput> & { readonly node?: NodeFacts } = {},
): DesiredImage[] {
  const { claims } = claimsOf(node, caches.toSorted(byAge), changes.existing ?? [])
  return planImages({ claims, existing: [], owners: {}, ledger: [], nextRevision: 1, ...changes })
}

const images = (result: readonly DesiredImage[]) => result.map(({ image }) => image)
const madeAt = (seconds: number) => ({ creationTimestamp: at(seconds) })

describe('planImages', () => {
  it('merges lists and caches, the oldest owner first', () => {
    const lists = { cacheSpec: [{ images: ['b:1', 'a:1'] }, { images: ['a:1'] }] }
    const old = compiledOf('old', [], lists, {}, madeAt(0))
    const young = compiledOf('young', ['a:1', 'c:1', 'a:1'], {}, {}, madeAt(9))
    const result = plan([young, old])
    expect(images(result)).toEqual(['a:1', 'b:1', 'c:1'])
    expect(result.map(({ owners }) => owners)).toEqual([[old.owner, young.owner], [old.owner], [young.owner]])
    expect(result.map(({ revision }) => revision)).toEqual([1, 1, 1])
  })

  it('keeps apart what is pulled with different secrets or in different namespaces', () => {
    const withSecrets = (namespace: string, ...secrets: string[]) =>
      compiledOf(
        `${namespace}-${secrets.join('-')}`,
        ['a:1'],
        { imagePullSecrets: secrets.map(name => ({ name })) },
        {},
        { namespace },
      )
    const result = plan([
      withSecrets('x', 's', 't'),
      withSecrets('x', 't', 's'),
      withSecrets('x', 's'),
      withSecrets('y', 's'),
      withSecrets('x'),
    ])
    expect(result).toHaveLength(4)
    expect(new Set(result.map(({ credential }) => credential)).size).toBe(4)
    expect(result.filter(({ owners }) => owners.length === 2)).toMatchObject([
      { pullSecrets: [{ name: 's' }, { name: 't' }] },
    ])
    expect(result.filter(({ credential }) => credential === undefined)).toHaveLength(1)
  })

  it('takes nothing from suspended and deleted caches', () => {
    const suspended = compiledOf('s', ['a:1'], { suspend: true })
    const deleted = compiledOf('d', ['a:1'], {}, {}, { deletionTimestamp: at(0) })
    expect(plan([suspended, deleted])).toEqual([])
  })

  it('refuses what is no reference and takes the rest', () => {
    const hostile = ['; touch x', '$(id)', 'r.test/Case', '', 'a b', 'ü', `r.test/${'x'.repeat(300)}`]
    const cache = compiledOf('c', ['good:1', ...hostile])
    expect(images(plan([cache]))).toEqual(['good:1'])
    expect(cache.lists[0]?.refused.map(({ image }) => image)).toEqual(hostile)
    expect(cache.lists[0]?.refused.every(({ message }) => message.length > 0)).toBe(true)
  })

  it.each<{ image: string; pullPolicy: DesiredImage['pullPolicy']; expected: DesiredImage['pullPolicy'] }>([
    { image: 'a:1', pullPolicy: 'IfNotPresent', expected: 'IfNotPresent' },
    { image: 'a:1', pullPolicy: 'Always', expected: 'Always' },
    { image: 'a', pullPolicy: 'IfNotPresent', expected: 'Always' },
    { image: 'a:latest', pullPolicy: 'IfNotPresent', expected: 'Always' },
    { image: `a@${DIGEST}`, pullPolicy: 'Always', expected: 'IfNotPresent' },
    { image: `a:latest@${DIGEST}`, pullPolicy: 'Always', expected: 'IfNotPresent' },
  ])('$image of a cache with $pullPolicy is pulled $expected', ({ image, pullPolicy, expected }) => {
    expect(plan([compiledOf('c', [image], { pullPolicy })])).toMatchObject([{ pullPolicy: expected }])
  })

  it('pulls Always where one of the caches says so', () => {
    const one = compiledOf('one', ['a:1'], { pullPolicy: 'Always' })
    const other = compiledOf('other', ['a:1'], { pullPolicy: 'IfNotPresent' })
    for (const caches of [
      [one, other],
      [other, one],
    ])
      expect(plan(caches)).toMatchObject([{ pullPolicy: 'Always' }])
  })

  it('keeps what a node was asked for while it gets no work, and asks for nothing new', () => {
    const existing = plan([compiledOf('c', ['a:1', 'gone:1'])])
    const cordoned = nodeWith('n1', { unschedulable: true })
    const cache = compiledOf('c', ['a:1', 'new:1'])
    const left = existing.filter(({ image }) => image === 'a:1')
    expect(plan([cache], { node: cordoned, existing, nextRevision: 2 })).toEqual(left)
    expect(startableKeys(cordoned, [cache])).toEqual(new Set())
    expect(startableKeys(NODE, [cache])).toEqual(new Set(['a:1', 'new:1']))
  })

  it('makes no owner of a cache that the node is skipped for and that had not asked', () => {
    const node = nodeWith('n1', { taints: [{ key: 'gpu', effect: 'NoSchedule' }] })
    const taken = compiledOf('taken', ['a:1'])
    const skipped = compiledOf('skipped', [], { cacheSpec: [{ images: ['a:1'], tolerations: [] }] })
    const existing = plan([taken], { node })
    expect(plan([taken, skipped], { node, existing, nextRevision: 2 })).toEqual(existing)
  })
})
