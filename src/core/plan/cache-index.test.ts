import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compiledOf } from '../../../test/builders/image-cache.ts'
import { nodeWith } from '../../../test/builders/node.ts'
import type { CacheList } from '../../api/image-cache.ts'
import type { CompiledCache } from '../demand/index.ts'
import type { NodeFacts } from '../node/index.ts'
import { CacheIndex, cacheIndex } from './cache-index.ts'
import { planNode } from './plan-node.ts'
import { select } from './select.ts'

const keys = fc.constantFrom('a', 'b', 'constructor')
const values = fc.constantFrom('1', '2', '')
const labels = fc.dictionary(keys, values, { maxKeys: 3 })
const expression = fc.record({
  key: keys,
  operator: fc.constantFrom('In' as const, 'NotIn' as const, 'Exists' as const, 'Gt' as const),
  values: fc.array(values, { maxLength: 3 }),
})
const field = fc.record({
  key: fc.constantFrom('metadata.name', 'spec.x'),
  operator: fc.constantFrom('In' as const, 'NotIn' as const),
  values: fc.array(fc.constantFrom('n1', 'n2'), { maxLength: 2 }),
})
const term = fc.record({
  matchExpressions: fc.array(expression, { maxLength: 2 }),
  matchFields: fc.array(field, { maxLength: 1 }),
})
const list: fc.Arbitrary<CacheList> = fc.record(
  {
    images: fc.subarray(['x:1', 'y:1', 'z:1'], { minLength: 1 }),
    nodeSelector: labels,
    nodeAffinity: fc.record({ nodeSelectorTerms: fc.array(term, { maxLength: 2 }) }),
    tolerations: fc.subarray([{ key: 't', operator: 'Exists' as const }]),
  },
  { requiredKeys: ['images'] },
)
const caches = fc
  .array(fc.record({ cacheSpec: fc.array(list, { maxLength: 4 }), suspend: fc.boolean() }), { maxLength: 6 })
  .map(all => all.map((spec, index) => compiledOf(`c${index}`, [], spec)))
const nodes = fc
  .record({ name: fc.constantFrom('n1', 'n2'), labels, isTainted: fc.boolean() })
  .map(({ name, isTainted, ...options }) =>
    nodeWith(name, { ...options, taints: isTainted ? [{ key: 't', effect: 'NoSchedule' }] : [] }),
  )

/** What the index has to find, found by asking each list of each cache. */
function selectingOf(all: readonly CompiledCache[], node: NodeFacts) {
  return all.flatMap(cache => {
    const lists = cache.lists
      .map(each => ({ list: each, selection: select(node, each) }))
      .filter(({ selection }) => selection.kind !== 'unselected')
    return lists.length > 0 ? [{ cache, lists, isCrowdedOut: false }] : []
  })
}

describe('CacheIndex', () => {
  it('finds what asking each list finds, in the same order', () => {
    fc.assert(
      fc.property(caches, nodes, (all, node) => {
        const index = new CacheIndex(all)
        const expected = selectingOf(all, node)
        expect(index.selecting(node)).toEqual(expected)
        if (expected.length > 0) expect(index.maySelect(node)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('plans a node as without the caches that do not select it', () => {
    fc.assert(
      fc.property(caches, nodes, (all, node) => {
        const selecting = selectingOf(all, node).map(({ cache }) => cache)
        const plan = (some: readonly CompiledCache[]) =>
          planNode({ node, caches: some, previous: {}, ledger: [] })
        expect(plan(all)).toEqual(plan(selecting))
      }),
    )
  })

  it('does not look at lists for other nodes', () => {
    const pools = Array.from({ length: 300 }, (_, index) => ({
      images: ['x:1'],
      nodeSelector: { 'kubernetes.io/os': 'linux', pool: `p${index}` },
    }))
    const looked = new Set<string>()
    const all = pools.map(({ nodeSelector, ...rest }, index) => {
      const spied = new Proxy(nodeSelector, {
        ownKeys: target => {
          looked.add(target.pool)
          return Reflect.ownKeys(target)
        },
      })
      return compiledOf(`c${index}`, [], { cacheSpec: [{ ...rest, nodeSelector: spied }] })
    })
    const index = new CacheIndex(all)
    looked.clear()
    const node = nodeWith('n', { labels: { 'kubernetes.io/os': 'linux', pool: 'p7' } })
    expect(index.selecting(node).map(({ cache }) => cache)).toEqual([all[7]])
    // The first list was filed before the label was known to be common.
    expect([...looked].toSorted()).toEqual(['p0', 'p7'])
  })

  it('leaves out the youngest caches of a namespace that has very many images for a node', () => {
    const images = (prefix: number) =>
      Array.from({ length: 3_000 }, (_, index) => `r.test/${prefix}/${index}:1`)
    const many = [0, 1, 2, 3, 4, 5].map(index => compiledOf(`c${index}`, images(index)))
    const other = compiledOf('other', ['x:1'], {}, {}, { namespace: 'elsewhere' })
    const node = nodeWith('n', {})
    const selecting = new CacheIndex([...many, other]).selecting(node)
    const left = selecting.filter(({ isCrowdedOut }) => isCrowdedOut).map(({ cache }) => cache)
    expect(left).toEqual([many[4], many[5]])
    const plan = planNode({ node, caches: [...many, other], previous: {}, ledger: [] })
    expect(plan.crowdedOut).toEqual(expect.arrayContaining(left.map(({ owner }) => owner)))
    expect(plan.images?.map(({ image }) => image)).toContain('x:1')
  })

  it('rules out nodes without a look at all conditions', () => {
    const cache = compiledOf('c', [], { cacheSpec: [{ images: ['x:1'], nodeSelector: { pool: 'a' } }] })
    const index = new CacheIndex([cache])
    expect(index.maySelect(nodeWith('n', { labels: { pool: 'a' } }))).toBe(true)
    expect(index.maySelect(nodeWith('n', { labels: { pool: 'b' } }))).toBe(false)
    expect(new CacheIndex([compiledOf('d', ['x:1'])]).maySelect(nodeWith('n', {}))).toBe(true)
  })

  it('is made once for a list of caches', () => {
    const all = [compiledOf('c', ['x:1'])]
    expect(cacheIndex(all)).toBe(cacheIndex(all))
    expect(cacheIndex([...all])).not.toBe(cacheIndex(all))
  })
})
