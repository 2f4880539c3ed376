import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cacheOf, compiledOf } from '../../../test/builders/image-cache.ts'
import { entryOf, failedEntryOf, removalOf } from '../../../test/builders/node-images.ts'
import { nodeOf, nodeWith } from '../../../test/builders/node.ts'
import { at } from '../../../test/builders/time.ts'
import type { CacheList, ImageCache, ImageCacheSpec, ImageCacheStatus } from '../../api/image-cache.ts'
import { type LedgerEntry, type NodeImagesSpec, entryKey } from '../../api/node-images.ts'
import { type CompiledCache, compileCache } from '../demand/index.ts'
import type { NodeFacts } from '../node/index.ts'
import { byAge } from './plan-images.ts'
import { type PlanInput, planNode } from './plan-node.ts'

const DIGEST = `sha256:${'ab'.repeat(32)}`
const A = 'r.test/a:1'
const B = 'r.test/b:1'
const PURGED = { reason: 'ImageCachePurge', observedGeneration: 1, purgeRevision: 1 }

function plan(caches: readonly CompiledCache[], changes: Partial<PlanInput> = {}): NodeImagesSpec {
  return planNode({ node: nodeOf('n1'), caches, previous: {}, ledger: [], ...changes })
}

/** Revisions of the images and removals of a plan. */
function revisionsOf({ images = [], remove = [] }: NodeImagesSpec): Record<string, number> {
  return Object.fromEntries([...images, ...remove].map(({ image, revision }) => [image, revision]))
}

describe('the first plan of a node', () => {
  it('asks for everything with revision 1', () => {
    const cache = compiledOf('c', [A, B])
    expect(plan([cache])).toEqual({
      revision: 1,
      owners: { [cache.owner]: { cache: 'team/c', generation: 1 } },
      images: [A, B].map(image => ({
        image,
        pullPolicy: 'IfNotPresent',
        revision: 1,
        owners: [cache.owner],
      })),
    })
  })

  it('is empty without caches', () => {
    expect(plan([])).toEqual({ revision: 0, owners: {}, images: [] })
  })

  it('replaces requests without a revision, which no engine can answer', () => {
    const cache = compiledOf('c', [A])
    // The API server drops fields that the schema does not have, and does not validate what is stored.
    const stored = { images: [{ image: A, pullPolicy: 'IfNotPresent', owners: [cache.owner] }] }
    const removals = { remove: [{ image: B, owners: [cache.owner] }] }
    const previous = { ...stored, ...removals } as unknown as NodeImagesSpec
    const ledger = [{ image: A, owners: [cache.owner], pulledByUs: true }]
    expect(plan([cache], { previous, ledger })).toEqual(plan([cache], { ledger }))
  })
})

describe('a new request', () => {
  interface Change {
    readonly spec?: Partial<ImageCacheSpec>
    readonly status?: ImageCacheStatus
    readonly generation?: number
  }
  const cacheWith = ({ spec, status, generation = 1 }: Change) =>
    compiledOf('c', [A, B], spec, status, { generation })

  it.each<{
    name: string
    before?: Change
    now: Change
    ledger?: LedgerEntry[]
    expected: Record<string, number>
  }>([
    { name: 'is not made where nothing changes', now: {}, expected: { [A]: 1, [B]: 1 } },
    {
      name: 'is made for every image by a refresh',
      now: { status: { refreshRevision: 1 } },
      expected: { [A]: 2, [B]: 2 },
    },
    {
      name: 'is not made again for a refresh that the plan follows',
      before: { status: { refreshRevision: 1 } },
      now: { status: { refreshRevision: 1 } },
      expected: { [A]: 1, [B]: 1 },
    },
    {
      name: 'has a greater number, also where the number of the refresh went back',
      before: { status: { refreshRevision: 5 } },
      now: { status: { refreshRevision: 1 } },
      expected: { [A]: 2, [B]: 2 },
    },
    {
      name: 'is not made by an edit where nothing failed',
      now: { generation: 2 },
      ledger: [entryOf(A), entryOf(B)],
      expected: { [A]: 1, [B]: 1 },
    },
    {
      name: 'is made by an edit for the image that failed',
      now: { generation: 2 },
      ledger: [failedEntryOf(A, 'ImageNotFound'), entryOf(B)],
      expected: { [A]: 2, [B]: 1 },
    },
    {
      name: 'is not made for an image that failed after the edit',
      before: { generation: 2 },
      now: { generation: 2 },
      ledger: [failedEntryOf(A, 'ImageNotFound'), entryOf(B)],
      expected: { [A]: 1, [B]: 1 },
    },
    {
      name: 'is made where the pull policy turns into Always',
      now: { spec: { pullPolicy: 'Always' }, generation: 2 },
      expected: { [A]: 2, [B]: 2 },
    },
    {
      name: 'is not made where the pull policy turns into IfNotPresent',
      before: { spec: { pullPolicy: 'Always' } },
      now: { spec: { pullPolicy: 'IfNotPresent' }, generation: 2 },
      expected: { [A]: 1, [B]: 1 },
    },
  ])('$name', ({ before = {}, now, ledger = [], expected }) => {
    const previous = plan([cacheWith(before)])
    const next = plan([cacheWith(now)], { previous, ledger })
    expect(revisionsOf(next)).toEqual(expected)
    expect(next.revision).toBe(Math.max(...Object.values(expected)))
    expect(plan([cacheWith(now)], { previous: next, ledger })).toEqual(next)
  })

  it('of one cache leaves the images of other caches as they are', () => {
    const other = compiledOf('other', [B])
    const caches = (status: ImageCacheStatus) => [compiledOf('c', [A], {}, status), other]
    const previous = plan(caches({}))
    expect(revisionsOf(plan(caches({ refreshRevision: 1 }), { previous }))).toEqual({ [A]: 2, [B]: 1 })
  })

  it('gets the next number of the node, however the last request of the node was answered', () => {
    const cache = compiledOf('c', [A])
    const previous = { ...plan([cache]), revision: 7 }
    const next = plan([compiledOf('c', [A, B], {}, {}, { generation: 2 })], {
      previous,
      ledger: [entryOf(A)],
    })
    expect(revisionsOf(next)).toEqual({ [A]: 1, [B]: 8 })
    expect(next.revision).toBe(8)
  })

  it('is made for an image that is wanted again, with a number that no older evidence answers', () => {
    const previous = plan([compiledOf('c', [A])])
    const without = plan([compiledOf('c', [A], { suspend: true }, {}, { generation: 2 })], { previous })
    expect(without).toEqual({ revision: 1, owners: {}, images: [] })
    const again = plan([compiledOf('c', [A], {}, {}, { generation: 3 })], { previous: without })
    expect(revisionsOf(again)).toEqual({ [A]: 2 })
  })

  it('is made for a moving tag that a refresh found elsewhere, and for no other image', () => {
    const cache = compiledOf('c', [A, B], { pullPolicy: 'Always' })
    const previous = plan([cache])
    const held = (image: string) =>
      entryOf(image, {
        presence: { state: 'Present', since: at(1), by: 'Job', revision: 1, registryDigest: 'd1' },
      })
    const refreshes = new Map([
      [A, { at: at(60), digest: 'd2' }],
      [B, { at: at(60), digest: 'd1' }],
    ])
    const input = { ledger: [held(A), held(B)], refreshes }
    const next = plan([cache], { previous, ...input })
    expect(next.images).toMatchObject([
      { image: A, revision: 2, registryDigest: 'd2', refreshRound: at(60) },
      { image: B, revision: 1 },
    ])
    expect(plan([cache], { previous: next, ...input })).toEqual(next)
    const round = new Map([[B, { at: at(120), digest: 'd3' }]])
    expect(revisionsOf(plan([cache], { previous: next, ...input, refreshes: round }))).toEqual({
      [A]: 2,
      [B]: 3,
    })
  })
})

describe('a moving tag that failed', () => {
  const MOVING = 'r.test/moving'
  const moving = compiledOf('moving', [MOVING])
  const node = nodeOf('n1')
  /** The revision after the registry gave another digest. */
  const revisionAfter = (reason: string) => {
    const beforePulls = (digest: string) => new Map([[MOVING, { at: at(1), digest }]])
    const first = planNode({
      node,
      caches: [moving],
      previous: {},
      ledger: [],
      beforePulls: beforePulls('d1'),
    })
    const ledger = [failedEntryOf(MOVING, reason)]
    return planNode({ node, caches: [moving], previous: first, ledger, beforePulls: beforePulls('d2') })
      .revision
  }

  it('keeps its pauses where it is tried again anyway, and is asked for again where it is not', () => {
    expect(revisionAfter('RegistryUnavailable')).toBe(1)
    expect(revisionAfter('ImageNotFound')).toBe(2)
  })
})

describe('an edit that changes nothing for the node', () => {
  const editedTo = (generation: number, spec: Partial<ImageCacheSpec> = {}) =>
    compiledOf('c', [A, B], spec, {}, { generation })
  const elsewhere = {
    cacheSpec: [{ images: [A, B] }, { images: ['r.test/new:1'], nodeSelector: { pool: 'other' } }],
  }

  it.each<[string, Partial<ImageCacheSpec>]>([
    ['of a field that is not for nodes', { refresh: { interval: '1h' } }],
    ['that turns a list round', { cacheSpec: [{ images: [B, A] }] }],
  ])('%s leaves the plan as it is', (_, spec) => {
    const previous = plan([editedTo(1)])
    const input = { previous, ledger: [entryOf(A), entryOf(B)] }
    expect(plan([editedTo(2, spec)], input)).toBe(previous)
  })

  it('also leaves it as it is where another cache has failures', () => {
    const other = compiledOf('other', ['r.test/missing:1'])
    const previous = plan([editedTo(1), other])
    const ledger = [entryOf(A), entryOf(B), failedEntryOf('r.test/missing:1', 'ImageNotFound')]
    expect(plan([editedTo(2), other], { previous, ledger })).toBe(previous)
  })

  it('is recorded with the next change for the node', () => {
    const previous = plan([editedTo(1), compiledOf('other', [A])])
    const next = plan([editedTo(2)], { previous, ledger: [entryOf(A), entryOf(B)] })
    expect(next.owners).toMatchObject({ [editedTo(2).owner]: { generation: 2 } })
  })

  it('asks once more for an image that fails after it', () => {
    const previous = plan([editedTo(1)])
    const ledger = [failedEntryOf(A, 'ImageNotFound'), entryOf(B)]
    const next = plan([editedTo(2)], { previous, ledger })
    expect(revisionsOf(next)).toEqual({ [A]: 2, [B]: 1 })
    expect(plan([editedTo(2)], { previous: next, ledger })).toEqual(next)
  })

  it('leaves the plan of nodes of other lists as it is', () => {
    const first = compiledOf('c', [], elsewhere)
    const [list, other] = elsewhere.cacheSpec
    const edited = { cacheSpec: [list, { ...other, images: ['r.test/newer:1'] }] as CacheList[] }
    const previous = plan([first])
    expect(plan([compiledOf('c', [], edited, {}, { generation: 2 })], { previous })).toBe(previous)
  })
})

describe('a removal in the plan', () => {
  const held = (image: string, { owner }: CompiledCache) => entryOf(image, { owners: [owner] })

  it('gets the number of the same request as the images', () => {
    const before = compiledOf('c', [A])
    const edited = compiledOf('c', [B], {}, {}, { generation: 2 })
    const next = plan([edited], { previous: plan([before]), ledger: [held(A, before)] })
    expect(revisionsOf(next)).toEqual({ [A]: 2, [B]: 2 })
    expect(next.revision).toBe(2)
  })

  it('is asked for again by another purge, and not by anything else', () => {
    const cache = compiledOf('c', [A])
    const ledger = [{ ...held(A, cache), removal: { state: 'Kept' as const, reason: 'InUse', revision: 2 } }]
    const purgedAs = (purgeRevision: number) => [compiledOf('c', [A], {}, { ...PURGED, purgeRevision })]
    const purged = plan(purgedAs(1), { previous: plan([cache]), ledger: [held(A, cache)] })
    expect(revisionsOf(purged)).toEqual({ [A]: 2 })
    expect(plan(purgedAs(1), { previous: purged, ledger })).toEqual(purged)
    const again = plan(purgedAs(2), { previous: purged, ledger })
    expect(revisionsOf(again)).toEqual({ [A]: 3 })
    expect(again.owners?.[cache.owner]).toMatchObject({ purge: 2 })
  })

  it('keeps the record of its cache when the cache is gone', () => {
    const cache = compiledOf('c', [A])
    const previous = {
      revision: 2,
      owners: { [cache.owner]: { cache: 'team/c', purge: 1 } },
      remove: [removalOf(A, { owners: [cache.owner], revision: 2 })],
    }
    const next = plan([], { previous, ledger: [held(A, cache)] })
    expect(next).toEqual({ ...previous, images: [] })
  })
})

const POOL = ['a:1', 'a', 'b:2', 'r.test/c:3', `r.test/d@${DIGEST}`, 'not a reference']
const subset = <T>(values: readonly T[]) => fc.subarray([...values])
const number = fc.integer({ min: 0, max: 3 })
const caches = fc
  .array(
    fc.record({
      lists: fc.array(
        fc.record({
          images: subset(POOL),
          nodeSelector: fc.constantFrom({}, { zone: 'a' }, { zone: 'b' }),
        }),
        { maxLength: 3 },
      ),
      namespace: fc.constantFrom('x', 'y'),
      age: number,
      secrets: subset(['s', 't']),
      pullPolicy: fc.constantFrom('IfNotPresent' as const, 'Always' as const),
      suspend: fc.boolean(),
      purged: fc.boolean(),
      generation: fc.integer({ min: 1, max: 2 }),
      refreshRevision: number,
      purgeRevision: number,
    }),
    { maxLength: 4 },
  )
  .map(specs =>
    specs
      .map(({ lists, namespace, age, secrets, purged, generation, ...rest }, index) => {
        const { refreshRevision, purgeRevision, ...spec } = rest
        const cache: ImageCache = cacheOf(
          `c${index}`,
          [],
          { ...spec, cacheSpec: lists, imagePullSecrets: secrets.map(name => ({ name })) },
          { refreshRevision, purgeRevision, ...(purged && { reason: 'ImageCachePurge' }) },
          { namespace, generation, creationTimestamp: at(age) },
        )
        return compileCache(cache, 'IfNotPresent')
      })
      .toSorted(byAge),
  )
const nodes: fc.Arbitrary<NodeFacts> = fc
  .record({ zone: fc.constantFrom('a', 'b', 'c'), ready: fc.boolean(), unschedulable: fc.boolean() })
  .map(({ zone, ...rest }) => nodeWith('n1', { labels: { zone }, ...rest }))
const ledgers = fc.uniqueArray(fc.constantFrom('a:1', 'a', 'b:2', 'r.test/c:3')).chain(images =>
  fc.tuple(
    ...images.map(image =>
      fc
        .record({
          failed: fc.boolean(),
          present: fc.boolean(),
          removal: fc.constantFrom('Kept', 'Removed', 'Failed', 'Removing', undefined),
          revision: number,
          owner: fc.constantFrom('c0', 'c1'),
        })
        .map(({ failed, present, removal, revision, owner }): LedgerEntry => {
          const { attempt } = failedEntryOf(image, 'ImageNotFound', { revision })
          const { presence } = entryOf(image)
          return {
            image,
            owners: [compiledOf(owner, []).owner],
            ...(present && presence && { presence: { ...presence, revision, registryDigest: 'd1' } }),
            ...(failed && attempt && { attempt }),
            ...(removal && { removal: { state: removal, revision } }),
          }
        }),
    ),
  ),
)
const answers = fc.constantFrom<Pick<PlanInput, 'refreshes' | 'beforePulls'>>(
  {},
  { refreshes: new Map([['a', { at: at(5), digest: 'd2' }]]) },
  { refreshes: new Map([['a', { at: at(6) }]]) },
  { beforePulls: new Map([['a', { at: at(7), digest: 'd3' }]]) },
  {
    refreshes: new Map([['a', { at: at(8), digest: 'd4' }]]),
    beforePulls: new Map([['a', { at: at(7), digest: 'd3' }]]),
  },
)

/**
 * The ledger of a node names the owners and lists of every image that was planned, and no removal of it. It
 * answers no removal that was not asked for yet.
 */
function withPlanned(
  given: readonly LedgerEntry[],
  { images = [], revision = 0 }: NodeImagesSpec,
): LedgerEntry[] {
  const ledger = given.map(entry =>
    entry.removal
      ? { ...entry, removal: { ...entry.removal, revision: Math.min(entry.removal.revision, revision) } }
      : entry,
  )
  const facts = new Map(ledger.map(entry => [entry.image, { ...entry, removal: undefined }]))
  const planned = images.map(({ image, credential, owners, lists }) => ({
    ...facts.get(image),
    image,
    owners,
    ...(credential !== undefined && { credential }),
    ...(lists !== undefined && { lists }),
  }))
  const keys = new Set(planned.map(entryKey))
  return [...planned, ...ledger.filter(entry => !keys.has(entryKey(entry)))]
}

describe('properties of planNode', () => {
  const step = fc.record({ caches, node: nodes, ledger: ledgers, answers })

  it('planned again, its own result stays as it is, and the revision of the node never decreases', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 4 }), steps => {
        let previous: NodeImagesSpec = {}
        for (const { answers: known, ledger, ...rest } of steps) {
          const input = { ...rest, ledger: withPlanned(ledger, previous) }
          const once = planNode({ ...input, ...known, previous })
          expect(planNode({ ...input, ...known, previous: once })).toEqual(once)
          expect(once.revision).toBeGreaterThanOrEqual(previous.revision ?? 0)
          expect(once.revision).toBeLessThanOrEqual((previous.revision ?? 0) + 1)
          previous = once
        }
      }),
    )
  })

  it('gives every request that is new the next number, and leaves the others as they were', () => {
    fc.assert(
      fc.property(step, step, (first, second) => {
        const previous = planNode({ ...first, ...first.answers, previous: {} })
        const next = planNode({ ...second, ...second.answers, previous })
        const before = new Map((previous.images ?? []).map(image => [entryKey(image), image]))
        for (const image of next.images ?? []) {
          const old = before.get(entryKey(image))
          expect([old?.revision, (previous.revision ?? 0) + 1]).toContain(image.revision)
        }
      }),
    )
  })

  it('does not depend on the order in which caches of the same age come', () => {
    fc.assert(
      fc.property(
        caches.chain(list =>
          fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
        ),
        nodes,
        ledgers,
        ([ordered, shuffled], node, ledger) => {
          const input = { node, previous: {}, ledger }
          const planOf = (list: readonly CompiledCache[]) =>
            planNode({ ...input, caches: list.toSorted(byAge) })
          expect(planOf(shuffled)).toEqual(planOf(ordered))
        },
      ),
    )
  })

  it('asks for exactly what the active caches want of a node in service', () => {
    fc.assert(
      fc.property(caches, nodes, (list, node) => {
        const inService = node.ready && !node.unschedulable
        const expected = list
          .filter(({ activity }) => activity === 'active' && inService)
          .flatMap(({ cache }) => cache.spec.cacheSpec)
          .filter(({ nodeSelector }) =>
            [undefined, node.metadata.labels?.['zone']].includes(nodeSelector?.['zone']),
          )
          .flatMap(entry => entry.images.filter(image => image !== 'not a reference'))
        const { images = [], owners = {} } = plan(list, { node })
        expect(new Set(images.map(({ image }) => image))).toEqual(new Set(expected))
        expect(images.every(image => image.owners.length > 0)).toBe(true)
        expect(new Set(Object.keys(owners))).toEqual(new Set(images.flatMap(image => image.owners)))
      }),
    )
  })
})
