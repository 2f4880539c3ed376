import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PURGE_FINALIZER } from '../../api/constants.ts'
import type { ImageCache, ImageCacheSpec, ImageCacheStatus } from '../../api/image-cache.ts'
import type { DesiredImage, LedgerEntry, Removal } from '../../api/node-images.ts'
import { type CompiledCache, compileCache, shortHash } from '../demand/index.ts'
import { projectNode } from '../node/index.ts'
import { planNode } from './plan.ts'
import { isAnswered, planRemovals } from './removals.ts'

const EARLY = '2026-01-01T00:00:00.000Z'
const MIDDLE = '2026-01-01T00:05:00.000Z'
const NOW = '2026-01-01T00:10:00.000Z'
const NODE = projectNode({
  metadata: { name: 'n1', uid: 'u1', labels: { pool: 'a' } },
  status: { conditions: [{ type: 'Ready', status: 'True' }], nodeInfo: { operatingSystem: 'linux' } },
})
const PURGED: ImageCacheStatus = {
  status: 'Processing',
  reason: 'ImageCachePurge',
  startTime: MIDDLE,
  observedGeneration: 1,
}

interface Options {
  readonly status?: ImageCacheStatus
  readonly spec?: Partial<ImageCacheSpec>
  readonly metadata?: Partial<ImageCache['metadata']>
}

function cacheOf(name: string, images: string[], { status, spec, metadata }: Options = {}): CompiledCache {
  const cache: ImageCache = {
    metadata: { name, namespace: 'team', uid: name, generation: 1, ...metadata },
    spec: { cacheSpec: [{ images }], ...spec },
    ...(status && { status }),
  }
  return compileCache(cache, 'IfNotPresent')
}

const owner = (name: string) => shortHash(name)

function desired(image: string, ...owners: string[]): DesiredImage {
  return { image, pullPolicy: 'IfNotPresent', owners: owners.map(owner), requestedAt: EARLY }
}

function present(image: string, ...owners: string[]): LedgerEntry {
  return { image, state: 'Present', requestedAt: EARLY, owners: owners.map(owner), pulledByUs: true }
}

interface State {
  readonly existing?: readonly DesiredImage[]
  readonly removals?: readonly Removal[]
  readonly ledger?: readonly LedgerEntry[]
}

function plan(caches: CompiledCache[], state: State = {}): Removal[] {
  const { existing = [], removals = [], ledger = [] } = state
  const images = planNode({ node: NODE, caches, existing, ledger, now: NOW })
  return planRemovals({ node: NODE, caches, desired: images, existing, removals, ledger, now: NOW })
}

/** What stands in the removals of a plan, in few words. */
const told = (removals: readonly Removal[]) =>
  removals.map(({ image, stays }) => (stays ? `${image} ${stays}` : image))

describe('planRemovals', () => {
  const held = { existing: [desired('r.io/a:1', 'x')], ledger: [present('r.io/a:1', 'x')] }

  it('lets nothing go that is wanted', () => {
    expect(plan([cacheOf('x', ['r.io/a:1'])], held)).toEqual([])
  })

  describe('of several lists', () => {
    const list = (pool: string, ...images: string[]) => ({ images, nodeSelector: { pool } })
    const before = { cacheSpec: [list('a', 'r.io/x:1', 'r.io/y:1'), list('b', 'r.io/x:1')] }
    const images = planNode({
      node: NODE,
      caches: [cacheOf('x', [], { spec: before })],
      existing: [],
      ledger: [],
      now: EARLY,
    })
    const ledger = images.map(({ image, owners, lists }) => ({
      ...present(image),
      owners,
      ...(lists && { lists }),
    }))
    it.each<[string, ImageCacheSpec['cacheSpec'], string[]]>([
      ['nothing where nothing changes', before.cacheSpec, []],
      [
        'what is taken out of the list for the node, be it in another one',
        [list('a', 'r.io/y:1'), list('b', 'r.io/x:1')],
        ['r.io/x:1'],
      ],
      ['what is taken out of all of them', [list('a', 'r.io/y:1'), list('b', 'r.io/z:1')], ['r.io/x:1']],
      [
        'nothing where a list is given to other nodes',
        [list('c', 'r.io/x:1', 'r.io/y:1'), list('b', 'r.io/x:1')],
        [],
      ],
      ['nothing that another list for the node has', [list('a', 'r.io/y:1'), { images: ['r.io/x:1'] }], []],
      ['what was only in a list that is gone', [list('b', 'r.io/x:1')], ['r.io/y:1']],
    ])('lets go %s', (_, cacheSpec, expected) => {
      const caches = [cacheOf('x', [], { spec: { cacheSpec } })]
      expect(told(plan(caches, { existing: images, ledger }))).toEqual(expected)
      // Broken off after the plan was written, it comes to the same.
      const [existing, removals] = [
        planNode({ node: NODE, caches, existing: images, ledger, now: NOW }),
        plan(caches, { existing: images, ledger }),
      ]
      expect(plan(caches, { existing, removals, ledger })).toEqual(removals)
    })

    it('lets nothing go from a node that loses a label', () => {
      const node = projectNode({
        metadata: { name: 'n1', labels: { pool: 'b' } },
        status: { conditions: [{ type: 'Ready', status: 'True' }] },
      })
      const caches = [cacheOf('x', [], { spec: before })]
      const now = planNode({ node, caches, existing: images, ledger, now: NOW })
      expect(
        planRemovals({ node, caches, desired: now, existing: images, removals: [], ledger, now: NOW }),
      ).toEqual([])
    })
  })

  it('lets go what a purged cache put there, from the time of the purge on', () => {
    expect(plan([cacheOf('x', ['r.io/a:1'], { status: PURGED })], held)).toEqual([
      { image: 'r.io/a:1', owners: [owner('x')], requestedAt: NOW },
    ])
  })

  it('lets go what was taken out of the lists, also while nobody watched', () => {
    expect(told(plan([cacheOf('x', ['r.io/b:1'])], held))).toEqual(['r.io/a:1'])
    expect(told(plan([cacheOf('x', ['r.io/b:1'])], { ledger: held.ledger }))).toEqual(['r.io/a:1'])
  })

  it.each<[string, Options]>([
    ['is suspended', { spec: { suspend: true } }],
    ['is deleted', { metadata: { deletionTimestamp: NOW } }],
    ['is deleted with Retain', { metadata: { deletionTimestamp: NOW, finalizers: [PURGE_FINALIZER] } }],
    [
      'selects other nodes now',
      { spec: { cacheSpec: [{ images: ['r.io/a:1'], nodeSelector: { pool: 'b' } }] } },
    ],
    ['was edited since', { status: PURGED, metadata: { generation: 2 } }],
    ['is refreshed since', { status: { ...PURGED, reason: 'ImageCacheRefresh' } }],
  ])('lets nothing go of a cache that %s', (_, options) => {
    expect(plan([cacheOf('x', ['r.io/a:1'], options)], held)).toEqual([])
  })

  it('lets go what a cache with the policy Purge held when it is deleted, suspended or not', () => {
    const metadata = { deletionTimestamp: MIDDLE, finalizers: [PURGE_FINALIZER] }
    const spec = { deletionPolicy: 'Purge', suspend: true } as const
    expect(told(plan([cacheOf('x', ['r.io/a:1'], { metadata, spec })], held))).toEqual(['r.io/a:1'])
  })

  it('says of what others want, by whatever name, that it stays, and goes on saying so', () => {
    const purged = cacheOf('x', ['nginx'], { status: PURGED })
    const other = cacheOf('y', ['docker.io/library/nginx:latest'])
    const state = { existing: [desired('nginx', 'x')], ledger: [present('nginx', 'x')] }
    const removals = plan([purged, other], state)
    expect(told(removals)).toEqual(['nginx WantedByOthers'])
    // The other one was deleted with Retain: it is not for the old purge to take what he left.
    expect(plan([purged], { ledger: [present('nginx', 'x')], removals })).toEqual(removals)
    const again = cacheOf('x', ['nginx'], { status: { ...PURGED, startTime: '2026-01-01T01:00:00.000Z' } })
    expect(told(plan([again], { ledger: [present('nginx', 'x')], removals }))).toEqual(['nginx'])
  })

  it('knows an image by another name of the same list', () => {
    const renamed = cacheOf('x', ['docker.io/library/nginx:latest'])
    expect(plan([renamed], { existing: [desired('nginx', 'x')], ledger: [present('nginx', 'x')] })).toEqual(
      [],
    )
  })

  it('leaves what a suspended cache wants', () => {
    const caches = [
      cacheOf('x', ['r.io/a:1'], { status: PURGED }),
      cacheOf('y', ['r.io/a:1'], { spec: { suspend: true } }),
    ]
    expect(told(plan(caches, held))).toEqual(['r.io/a:1 WantedByOthers'])
  })

  it('leaves what was there before', () => {
    const ledger = [{ ...present('r.io/a:1', 'x'), pulledByUs: false }]
    const caches = [cacheOf('x', ['r.io/a:1'], { status: PURGED })]
    expect(told(plan(caches, { ...held, ledger }))).toEqual(['r.io/a:1 NotOurs'])
  })

  it('does what was asked for though the cache has gone, and forgets it once that is done', () => {
    const removals = [{ image: 'r.io/a:1', owners: [owner('x')], requestedAt: MIDDLE }]
    const entry: LedgerEntry = { image: 'r.io/a:1', state: 'Removing' }
    expect(plan([], { removals, ledger: [entry] })).toEqual(removals)
    const done = { ...entry, state: 'Pending' as const, reason: 'Removed', requestedAt: MIDDLE }
    expect(plan([], { removals, ledger: [done] })).toEqual([])
    expect(
      plan([], { removals, ledger: [{ ...present('r.io/a:1'), reason: 'InUse', requestedAt: MIDDLE }] }),
    ).toEqual([])
  })

  it('never asks for more than one request to a node holds', () => {
    const ledger = Array.from({ length: 1_200 }, (_, index) => present(`r.io/a:${index}`, 'x'))
    expect(plan([cacheOf('x', [], { status: PURGED })], { ledger })).toHaveLength(1_000)
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
        let existing: DesiredImage[] = []
        let removals: Removal[] = []
        let ledger: LedgerEntry[] = []
        for (const { x, y, removes } of steps) {
          const caches = Object.entries({ x, y }).flatMap(([name, { images, purged, suspend, there }]) =>
            there ? [cacheOf(name, images, { spec: { suspend }, ...(purged && { status: PURGED }) })] : [],
          )
          const input = { node: NODE, caches, existing, ledger, now: NOW }
          const images = planNode(input)
          removals = planRemovals({ ...input, desired: images, removals })
          existing = images
          expect(planRemovals({ ...input, existing, desired: images, removals })).toEqual(removals)
          const wanted = new Set(
            Object.values({ x, y })
              .filter(({ purged, suspend, there }) => there && (suspend || !purged))
              .flatMap(cache => cache.images.map(names)),
          )
          for (const { image, stays } of removals) {
            if (stays === undefined) expect(wanted).not.toContain(names(image))
          }
          const going = new Set(removals.flatMap(({ image, stays }) => (stays ? [] : [image])))
          const kept = ledger.filter(entry => !images.some(({ image }) => image === entry.image))
          ledger = [
            ...images.map(image => ({ ...present(image.image), owners: image.owners })),
            ...kept.map(
              (entry): LedgerEntry =>
                removes && going.has(entry.image)
                  ? { ...entry, state: 'Pending', reason: 'Removed', requestedAt: NOW }
                  : entry,
            ),
          ]
          if (removes) {
            const entries = new Map(ledger.map(entry => [entry.image, entry]))
            expect(removals.every(removal => isAnswered(removal, entries.get(removal.image)))).toBe(true)
          }
        }
      }),
    )
  })
})
