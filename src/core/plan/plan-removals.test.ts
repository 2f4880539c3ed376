import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cacheOf as imageCacheOf } from '../../../test/builders/image-cache.ts'
import { entryOf, removalOf } from '../../../test/builders/node-images.ts'
import { nodeWith } from '../../../test/builders/node.ts'
import { at } from '../../../test/builders/time.ts'
import { PURGE_FINALIZER } from '../../api/constants.ts'
import type { ImageCache, ImageCacheSpec, ImageCacheStatus } from '../../api/image-cache.ts'
import type { LedgerEntry, NodeImagesSpec, Removal } from '../../api/node-images.ts'
import { type CompiledCache, compileCache, shortHash } from '../demand/index.ts'
import { isRemovalAnswered } from '../ledger/index.ts'
import type { NodeFacts } from '../node/index.ts'
import { planNode } from './plan-node.ts'

const NODE = nodeWith('n1', { labels: { pool: 'a' } })
const PURGED: ImageCacheStatus = {
  status: 'Processing',
  reason: 'ImageCachePurge',
  observedGeneration: 1,
  purgeRevision: 1,
}

interface Options {
  readonly status?: ImageCacheStatus
  readonly spec?: Partial<ImageCacheSpec>
  readonly metadata?: Partial<ImageCache['metadata']>
}

function cacheOf(name: string, images: readonly string[], { status, spec, metadata }: Options = {}) {
  return compileCache(imageCacheOf(name, images, spec, status, metadata), 'IfNotPresent')
}

const owner = (name: string) => shortHash(`uid-of-${name}`)

/** The plan after `images` were asked for by a cache. */
function asked(image: string, name: string): NodeImagesSpec {
  return planNode({ node: NODE, caches: [cacheOf(name, [image])], previous: {}, ledger: [] })
}

function present(image: string, ...owners: string[]): LedgerEntry {
  return entryOf(image, { owners: owners.map(owner) })
}

interface State {
  readonly previous?: NodeImagesSpec
  readonly ledger?: readonly LedgerEntry[]
  readonly node?: NodeFacts
}

function plan(caches: CompiledCache[], { previous = {}, ledger = [], node = NODE }: State = {}) {
  return planNode({ node, caches, previous, ledger })
}

const removalsOf = (caches: CompiledCache[], state?: State): Removal[] => plan(caches, state).remove ?? []

/** The removals of a plan in few words. */
const told = (removals: readonly Removal[] = []) =>
  removals.map(({ image, stays }) => (stays ? `${image} ${stays}` : image))

describe('planRemovals', () => {
  const held = { previous: asked('r.io/a:1', 'x'), ledger: [present('r.io/a:1', 'x')] }

  it('lets nothing go that is wanted', () => {
    expect(removalsOf([cacheOf('x', ['r.io/a:1'])], held)).toEqual([])
  })

  describe('of several lists', () => {
    const list = (pool: string, ...images: string[]) => ({ images, nodeSelector: { pool } })
    const before = { cacheSpec: [list('a', 'r.io/x:1', 'r.io/y:1'), list('b', 'r.io/x:1')] }
    const previous = plan([cacheOf('x', [], { spec: before })])
    const ledger = (previous.images ?? []).map(({ image, owners, lists }) => ({
      ...present(image),
      owners,
      ...(lists && { lists }),
    }))
    it.each<{ name: string; cacheSpec: ImageCacheSpec['cacheSpec']; expected: string[] }>([
      { name: 'nothing where nothing changes', cacheSpec: before.cacheSpec, expected: [] },
      {
        name: 'what is taken out of the list for the node, also where another list has it',
        cacheSpec: [list('a', 'r.io/y:1'), list('b', 'r.io/x:1')],
        expected: ['r.io/x:1'],
      },
      {
        name: 'what is taken out of all lists',
        cacheSpec: [list('a', 'r.io/y:1'), list('b', 'r.io/z:1')],
        expected: ['r.io/x:1'],
      },
      {
        name: 'nothing where a list is given to other nodes',
        cacheSpec: [list('c', 'r.io/x:1', 'r.io/y:1'), list('b', 'r.io/x:1')],
        expected: [],
      },
      {
        name: 'nothing that another list for the node has',
        cacheSpec: [list('a', 'r.io/y:1'), { images: ['r.io/x:1'] }],
        expected: [],
      },
      {
        name: 'what was only in a list that is gone',
        cacheSpec: [list('b', 'r.io/x:1')],
        expected: ['r.io/y:1'],
      },
    ])('lets go $name', ({ cacheSpec, expected }) => {
      const caches = [cacheOf('x', [], { spec: { cacheSpec } })]
      const next = plan(caches, { previous, ledger })
      expect(told(next.remove)).toEqual(expected)
      // Broken off after the plan was written, it comes to the same.
      expect(plan(caches, { previous: next, ledger })).toEqual(next)
    })

    it('lets nothing go from a node that loses a label', () => {
      const node = nodeWith('n1', { labels: { pool: 'b' } })
      expect(removalsOf([cacheOf('x', [], { spec: before })], { node, previous, ledger })).toEqual([])
    })
  })

  it('lets go what a purged cache put there, as a new request', () => {
    expect(removalsOf([cacheOf('x', ['r.io/a:1'], { status: PURGED })], held)).toEqual([
      { image: 'r.io/a:1', owners: [owner('x')], revision: 2 },
    ])
  })

  it('lets go what was taken out of the lists, also while nobody watched', () => {
    expect(told(removalsOf([cacheOf('x', ['r.io/b:1'])], held))).toEqual(['r.io/a:1'])
    expect(told(removalsOf([cacheOf('x', ['r.io/b:1'])], { ledger: held.ledger }))).toEqual(['r.io/a:1'])
  })

  it.each<{ name: string; options: Options }>([
    { name: 'is suspended', options: { spec: { suspend: true } } },
    { name: 'is deleted', options: { metadata: { deletionTimestamp: at(0) } } },
    {
      name: 'is deleted with Retain',
      options: { metadata: { deletionTimestamp: at(0), finalizers: [PURGE_FINALIZER] } },
    },
    {
      name: 'selects other nodes now',
      options: { spec: { cacheSpec: [{ images: ['r.io/a:1'], nodeSelector: { pool: 'b' } }] } },
    },
    { name: 'was edited since', options: { status: PURGED, metadata: { generation: 2 } } },
    { name: 'is refreshed since', options: { status: { ...PURGED, reason: 'ImageCacheRefresh' } } },
  ])('lets nothing go of a cache that $name', ({ options }) => {
    expect(removalsOf([cacheOf('x', ['r.io/a:1'], options)], held)).toEqual([])
  })

  it('lets go what a cache with the policy Purge held when it is deleted, suspended or not', () => {
    const metadata = { deletionTimestamp: at(0), finalizers: [PURGE_FINALIZER] }
    const spec = { deletionPolicy: 'Purge', suspend: true } as const
    expect(told(removalsOf([cacheOf('x', ['r.io/a:1'], { metadata, spec })], held))).toEqual(['r.io/a:1'])
  })

  it('says of what others want, by whatever name, that it stays, and goes on saying so', () => {
    const purged = cacheOf('x', ['nginx'], { status: PURGED })
    const other = cacheOf('y', ['docker.io/library/nginx:latest'])
    const ledger = [present('nginx', 'x')]
    const first = plan([purged, other], { previous: asked('nginx', 'x'), ledger })
    expect(told(first.remove)).toEqual(['nginx WantedByOthers'])
    // The other one was deleted with Retain. The old purge must not remove what it left.
    const second = plan([purged], { previous: first, ledger })
    expect(second.remove).toEqual(first.remove)
    const again = cacheOf('x', ['nginx'], { status: { ...PURGED, purgeRevision: 2 } })
    expect(told(plan([again], { previous: second, ledger }).remove)).toEqual(['nginx'])
  })

  it('knows an image by another name of the same list', () => {
    const renamed = cacheOf('x', ['docker.io/library/nginx:latest'])
    const state = { previous: asked('nginx', 'x'), ledger: [present('nginx', 'x')] }
    expect(removalsOf([renamed], state)).toEqual([])
  })

  it('leaves what a suspended cache wants', () => {
    const caches = [
      cacheOf('x', ['r.io/a:1'], { status: PURGED }),
      cacheOf('y', ['r.io/a:1'], { spec: { suspend: true } }),
    ]
    expect(told(removalsOf(caches, held))).toEqual(['r.io/a:1 WantedByOthers'])
  })

  it('leaves what was there before', () => {
    const ledger = [{ ...present('r.io/a:1', 'x'), pulledByUs: false }]
    const caches = [cacheOf('x', ['r.io/a:1'], { status: PURGED })]
    expect(told(removalsOf(caches, { ...held, ledger }))).toEqual(['r.io/a:1 NotOurs'])
  })

  it('does what was asked for though the cache has gone, and forgets it once that is done', () => {
    const remove = [removalOf('r.io/a:1', { owners: [owner('x')], revision: 2 })]
    const previous = { revision: 2, remove }
    const after = (removal: LedgerEntry['removal']) =>
      removalsOf([], { previous, ledger: [entryOf('r.io/a:1', { removal })] })
    expect(after({ state: 'Removing', revision: 2 })).toEqual(remove)
    expect(after({ state: 'Kept', reason: 'InUse', revision: 1 }), 'an older answer').toEqual(remove)
    expect(after({ state: 'Removed', revision: 2 })).toEqual([])
    expect(after({ state: 'Kept', reason: 'NotOurs', revision: 2 })).toEqual([])
    const inUse = { state: 'Kept', reason: 'InUse', revision: 2 } as const
    expect(after({ ...inUse, count: 3 }), 'it is looked at again').toEqual(remove)
    expect(after({ ...inUse, count: 175 }), 'for a week').toEqual([])
  })

  it('asks again for nothing that is removed already', () => {
    const state = { status: { ...PURGED, purgeRevision: 2 } }
    const removed = entryOf('r.io/a:1', { owners: [owner('x')], removal: { state: 'Removed', revision: 2 } })
    const purged = plan([cacheOf('x', ['r.io/a:1'], { status: PURGED })], held)
    expect(removalsOf([cacheOf('x', ['r.io/a:1'], state)], { previous: purged, ledger: [removed] })).toEqual(
      [],
    )
  })

  it.each<{ name: string; image: string; selector: Record<string, string>; expected: string }>([
    {
      name: 'whose namespace may use the node',
      image: 'r.io/a:1',
      selector: { pool: 'a' },
      expected: 'r.io/a:1 WantedByOthers',
    },
    {
      name: 'whose namespace may not use the node',
      image: 'r.io/a:1',
      selector: { pool: 'b' },
      expected: 'r.io/a:1',
    },
  ])('asks a cache $name', ({ image, selector, expected }) => {
    const fenced = compileCache(imageCacheOf('y', [image]), 'IfNotPresent', {
      namespaceNodeSelector: selector,
    })
    const both = planNode({ node: NODE, caches: [cacheOf('x', [image]), fenced], previous: {}, ledger: [] })
    // Before the namespace was fenced in, the node was asked for the image by both.
    const images = (both.images ?? []).map(wanted => ({ ...wanted, owners: [owner('x'), owner('y')] }))
    const state = { previous: { ...both, images }, ledger: [present(image, 'x', 'y')] }
    const next = plan([cacheOf('x', [image], { status: PURGED }), fenced], state)
    expect(told(next.remove)).toEqual([expected])
    expect(next.images?.length).toBe(expected.includes('Wanted') ? 1 : 0)
  })

  it('gives each namespace its share of the room, and stays as it is', () => {
    const inNamespace = (name: string) => ({
      status: PURGED,
      metadata: { namespace: name, uid: `uid-of-${name}` },
    })
    const ledger = [
      ...Array.from({ length: 1_200 }, (_, index) => present(`r.io/a:${index}`, 'loud')),
      ...Array.from({ length: 10 }, (_, index) => present(`r.io/z:${index}`, 'quiet')),
    ]
    const loud = cacheOf('loud', [], inNamespace('loud'))
    const before = plan([loud], { ledger: ledger.slice(0, 1_200) })
    const caches = [loud, cacheOf('quiet', [], inNamespace('quiet'))]
    const after = plan(caches, { previous: before, ledger })
    expect(after.remove?.filter(({ image }) => image.startsWith('r.io/z'))).toHaveLength(10)
    expect(after.remove).toHaveLength(1_000)
    expect(plan(caches, { previous: after, ledger })).toEqual(after)
  })

  it('never asks for more than a node has room for', () => {
    const ledger = Array.from({ length: 1_200 }, (_, index) => present(`r.io/a:${index}`, 'x'))
    expect(removalsOf([cacheOf('x', [], { status: PURGED })], { ledger })).toHaveLength(1_000)
  })
})

describe('any life of two caches', () => {
  const IMAGES = ['r.io/a:1', 'r.io/b:1', 'nginx', 'docker.io/library/nginx:latest']
  const state = fc.record({
    images: fc.uniqueArray(fc.constantFrom(...IMAGES)),
    purged: fc.boolean(),
    suspend: fc.boolean(),
    there: fc.boolean(),
  })
  const step = fc.record({ x: state, y: state, removes: fc.boolean() })
  const names = (image: string) => image.replace('docker.io/library/nginx:latest', 'nginx')

  it('never removes what a cache wants, and asks for nothing twice', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), steps => {
        let previous: NodeImagesSpec = {}
        let ledger: LedgerEntry[] = []
        for (const { x, y, removes } of steps) {
          const caches = Object.entries({ x, y }).flatMap(([name, { images, purged, suspend, there }]) =>
            there ? [cacheOf(name, images, { spec: { suspend }, ...(purged && { status: PURGED }) })] : [],
          )
          const next = plan(caches, { previous, ledger })
          expect(plan(caches, { previous: next, ledger })).toEqual(next)
          previous = next
          const { images = [], remove = [] } = next
          const wanted = new Set(
            Object.values({ x, y })
              .filter(({ purged, suspend, there }) => there && (suspend || !purged))
              .flatMap(cache => cache.images.map(names)),
          )
          for (const { image, stays } of remove) {
            if (stays === undefined) expect(wanted).not.toContain(names(image))
          }
          const going = new Map(remove.flatMap(removal => (removal.stays ? [] : [[removal.image, removal]])))
          const kept = ledger.filter(entry => !images.some(({ image }) => image === entry.image))
          ledger = [
            ...images.map(({ image, owners }) => entryOf(image, { owners })),
            ...kept.map((entry): LedgerEntry => {
              const removal = removes ? going.get(entry.image) : undefined
              return removal ? { ...entry, removal: { state: 'Removed', revision: removal.revision } } : entry
            }),
          ]
          if (removes) {
            const entries = new Map(ledger.map(entry => [entry.image, entry]))
            expect(remove.every(removal => isRemovalAnswered(removal, entries.get(removal.image)))).toBe(true)
          }
        }
      }),
    )
  })
})
