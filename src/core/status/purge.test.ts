import { describe, expect, it } from 'vitest'
import { PURGE_ANNOTATION, PURGE_FINALIZER, REFRESH_ANNOTATION } from '../../api/constants.ts'
import type { ImageCache, ImageCacheStatus } from '../../api/image-cache.ts'
import type { LedgerEntry, NodeImages } from '../../api/node-images.ts'
import { type NodeFacts, projectNode } from '../node/index.ts'
import { compileCache } from '../demand/index.ts'
import { planNode, planRemovals } from '../plan/index.ts'
import { aggregate } from './aggregate.ts'

const T0 = '2026-01-01T00:00:00.000Z'
const T1 = '2026-01-01T00:01:00.000Z'
const T2 = '2026-01-01T00:02:00.000Z'
const X = 'r.io/x:1'
const Y = 'r.io/y:1'

function node(name: string, ready = true): NodeFacts {
  return projectNode({
    metadata: { name, uid: name, creationTimestamp: '2025-12-01T00:00:00Z', labels: {} },
    status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'Unknown' }] },
  })
}

const WARM: ImageCacheStatus = {
  status: 'Succeeded',
  reason: 'ImageCacheCreate',
  message: '',
  startTime: T0,
  completionTime: T0,
  observedGeneration: 1,
}

function cacheOf(
  metadata: Partial<ImageCache['metadata']> = {},
  status: ImageCacheStatus = WARM,
  spec: Partial<ImageCache['spec']> = {},
): ImageCache {
  return {
    metadata: { name: 'c', namespace: 'ns', uid: 'cache-uid', generation: 1, ...metadata },
    spec: { cacheSpec: [{ images: [X, Y] }], ...spec },
    status,
  }
}

const ASKED = { annotations: { [PURGE_ANNOTATION]: '' } }

/** The NodeImages of a node that held both images, after the plan looked at the cache, with some answers. */
function planned(
  facts: NodeFacts,
  cache: ImageCache,
  answers: Record<string, Partial<LedgerEntry>> = {},
): NodeImages {
  const caches = [compileCache(cache, 'IfNotPresent')]
  const before = [compileCache(cacheOf(), 'IfNotPresent')]
  const existing = planNode({ node: facts, caches: before, existing: [], ledger: [], now: T0 })
  const held = [X, Y].map(
    (image): LedgerEntry => ({
      image,
      state: 'Present',
      requestedAt: T0,
      owners: [caches[0]?.owner ?? ''],
      pulledByUs: true,
    }),
  )
  const input = { node: facts, caches, existing, ledger: held, now: T1 }
  const images = planNode(input)
  const remove = planRemovals({ ...input, desired: images, removals: [] })
  return {
    metadata: {
      name: facts.metadata.name,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: '', uid: facts.metadata.uid ?? '' }],
    },
    spec: { images, ...(remove.length > 0 && { remove }) },
    status: {
      images: held.map(entry => {
        const answer = answers[entry.image]
        return answer ? { ...entry, requestedAt: T1, ...answer } : entry
      }),
    },
  }
}

function look(object: ImageCache, nodes: NodeFacts[], ledgers: NodeImages[], now: string) {
  const byName = new Map(ledgers.map(ledger => [ledger.metadata.name, ledger]))
  return aggregate(compileCache(object, 'IfNotPresent'), nodes, name => byName.get(name), now)
}

const GONE = { state: 'Pending', reason: 'Removed' } as const

describe('a purge', () => {
  const nodes = [node('a'), node('b')]

  it('begins whatever is under way, and ends a refresh that was asked for before it', () => {
    const busy = { ...WARM, status: 'Processing', reason: 'ImageCacheRefresh' }
    const annotations = { [PURGE_ANNOTATION]: '', [REFRESH_ANNOTATION]: '' }
    const { status, annotationsDone } = look(cacheOf({ annotations }, busy), nodes, [], T1)
    expect(status).toMatchObject({
      status: 'Processing',
      reason: 'ImageCachePurge',
      message: 'Image cache is being purged. Please view the status after some time',
      startTime: T1,
    })
    expect(annotationsDone).toEqual([REFRESH_ANNOTATION])
  })

  it('goes on until the plan has let go and every node has answered', () => {
    const begun = cacheOf(ASKED, look(cacheOf(ASKED), nodes, [], T1).status)
    const unplanned = nodes.map(each => planned(each, cacheOf()))
    expect(look(begun, nodes, unplanned, T2)).toMatchObject({ awaited: 4, status: { status: 'Processing' } })
    const half = [
      planned(node('a'), begun, { [X]: GONE, [Y]: GONE }),
      planned(node('b'), begun, { [X]: GONE }),
    ]
    expect(look(begun, nodes, half, T2)).toMatchObject({ awaited: 1, status: { status: 'Processing' } })
    const all = nodes.map(each => planned(each, begun, { [X]: GONE, [Y]: GONE }))
    const done = look(begun, nodes, all, T2)
    expect(done.status).toMatchObject({
      status: 'Succeeded',
      reason: 'ImageCachePurge',
      message: 'All cached images succesfully deleted from respective nodes',
      completionTime: T2,
      nodes: { desired: 0, ready: 0 },
      summary: { images: '0/0', nodes: '0/0' },
    })
    expect(done.status.nodes).not.toHaveProperty('skipped')
    expect(done.annotationsDone).toEqual([PURGE_ANNOTATION])
    // It stays purged.
    const after = cacheOf({}, done.status)
    expect(look(after, nodes, all, T2)).toMatchObject({ ended: false, status: { status: 'Succeeded' } })
  })

  it('is not undone by what a periodic refresh found meanwhile', () => {
    const purged = compileCache(cacheOf({}, { ...WARM, reason: 'ImageCachePurge' }), 'IfNotPresent')
    const { status } = aggregate(purged, nodes, () => undefined, T2, true)
    expect(status).toMatchObject({ status: 'Succeeded', reason: 'ImageCachePurge' })
  })

  it('says what stays, and why', () => {
    const begun = cacheOf(ASKED, look(cacheOf(ASKED), nodes, [], T1).status)
    const away = node('c', false)
    const ledgers = [
      planned(node('a'), begun, { [X]: GONE, [Y]: { reason: 'InUse', message: 'container web' } }),
      planned(node('b'), begun, { [X]: GONE, [Y]: { reason: 'InUse', message: 'container db' } }),
      planned(away, begun),
    ]
    const { status } = look(begun, [...nodes, away], ledgers, T2)
    expect(status).toMatchObject({ status: 'Succeeded', message: expect.stringContaining('"kept" section') })
    expect(status.kept).toEqual([
      { image: Y, reason: 'InUse', message: 'container web', count: 2, examples: ['a', 'b'] },
      { image: X, reason: 'NotReady', count: 1, examples: ['c'] },
      { image: Y, reason: 'NotReady', count: 1, examples: ['c'] },
    ])
  })

  it('fails where a removal does, and a late success corrects that', () => {
    const begun = cacheOf(ASKED, look(cacheOf(ASKED), nodes, [], T1).status)
    const failure = { reason: 'RemovalFailed', message: 'the runtime is away' }
    const ledgers = (answer: Partial<LedgerEntry>) =>
      nodes.map(each => planned(each, begun, { [X]: GONE, [Y]: answer }))
    const failed = look(begun, nodes, ledgers(failure), T2).status
    expect(failed).toMatchObject({
      status: 'Failed',
      message: 'Image deletion failed for some images. Please see "failures" section',
      failures: {
        [Y]: [
          { node: 'a', ...failure },
          { node: 'b', ...failure },
        ],
      },
    })
    const late = look(cacheOf({}, failed), nodes, ledgers(GONE), T2).status
    expect(late).toMatchObject({ status: 'Succeeded', reason: 'ImageCachePurge' })
    expect(late).not.toHaveProperty('failures')
  })

  it('is carried out before a deletion with the policy Purge, suspended or not', () => {
    const metadata = { deletionTimestamp: T1, finalizers: [PURGE_FINALIZER] }
    const spec = { deletionPolicy: 'Purge', suspend: true } as const
    const { status } = look(cacheOf(metadata, WARM, spec), nodes, [], T1)
    expect(status).toMatchObject({ status: 'Processing', reason: 'ImageCachePurge' })
    const begun = cacheOf(metadata, status, spec)
    expect(
      look(
        begun,
        nodes,
        nodes.map(each => planned(each, begun)),
        T2,
      ).awaited,
    ).toBe(4)
    const gone = nodes.map(each => planned(each, begun, { [X]: GONE, [Y]: GONE }))
    expect(look(begun, nodes, gone, T2)).toMatchObject({ awaited: 0, status: { status: 'Succeeded' } })
  })

  it('of an older release goes on, and stays done', () => {
    const { observedGeneration: _, ...old } = WARM
    const broken = { ...old, status: 'Processing', reason: 'ImageCachePurge' }
    expect(look(cacheOf({}, broken), nodes, [], T1).status).toMatchObject({
      reason: 'ImageCachePurge',
      startTime: T1,
    })
    const done = { ...old, reason: 'ImageCachePurge' }
    expect(look(cacheOf({}, done), nodes, [], T1).status).toMatchObject({
      status: 'Succeeded',
      reason: 'ImageCachePurge',
      startTime: T0,
    })
  })
})

describe('an edit that takes an image out', () => {
  const nodes = [node('a')]
  const edited = (status = WARM) => cacheOf({ generation: 2 }, status, { cacheSpec: [{ images: [X] }] })

  it('is not over before the image has gone', () => {
    const begun = edited(look(edited(), nodes, [], T1).status)
    const x = { requestedAt: T2 }
    expect(look(begun, nodes, [planned(node('a'), begun, { [X]: x })], T2)).toMatchObject({
      awaited: 1,
      status: { status: 'Processing', reason: 'ImageCacheUpdate' },
    })
    expect(look(begun, nodes, [planned(node('a'), begun, { [X]: x, [Y]: GONE })], T2)).toMatchObject({
      awaited: 0,
      status: { status: 'Succeeded', summary: { images: '1/1' } },
    })
  })
})
