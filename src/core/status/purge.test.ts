import { describe, expect, it } from 'vitest'
import { aggregateAll } from '../../../test/builders/aggregate.ts'
import { cacheOf as imageCacheOf } from '../../../test/builders/image-cache.ts'
import { entryOf, nodeImagesOf } from '../../../test/builders/node-images.ts'
import { nodeWith } from '../../../test/builders/node.ts'
import { at } from '../../../test/builders/time.ts'
import { PURGE_ANNOTATION, PURGE_FINALIZER, REFRESH_ANNOTATION } from '../../api/constants.ts'
import type { ImageCache, ImageCacheStatus } from '../../api/image-cache.ts'
import type { NodeImages, RemovalState } from '../../api/node-images.ts'
import type { NodeFacts } from '../node/index.ts'
import { compileCache } from '../demand/index.ts'
import { planNode } from '../plan/index.ts'

const [T0, T1, T2] = [at(0), at(60), at(120)]
const X = 'r.io/x:1'
const Y = 'r.io/y:1'

const node = (name: string, ready = true): NodeFacts =>
  nodeWith(name, { madeAt: '2025-12-01T00:00:00Z', ready })

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
  return imageCacheOf('c', [X, Y], spec, status, metadata)
}

const ASKED = { annotations: { [PURGE_ANNOTATION]: '' } }

/** How a removal is answered. */
type Answer = Omit<RemovalState, 'revision'>

/**
 * The NodeImages of a node that held both images, after the plan looked at the cache, with some answers.
 * Answers have the revision that the plan asks for now.
 */
function planned(facts: NodeFacts, cache: ImageCache, answers: Record<string, Answer> = {}): NodeImages {
  const caches = [compileCache(cache, 'IfNotPresent')]
  const before = [compileCache(cacheOf(), 'IfNotPresent')]
  const previous = planNode({ node: facts, caches: before, previous: {}, ledger: [] })
  const held = [X, Y].map(image => entryOf(image, { owners: [caches[0]?.owner ?? ''] }))
  const spec = planNode({ node: facts, caches, previous, ledger: held })
  const revision = spec.revision ?? 0
  const ledger = held.map(entry => {
    const answer = answers[entry.image]
    if (!answer) return entry
    const presence = { state: 'Absent' as const, since: T1, by: 'Job' as const }
    return { ...entry, ...(answer.state === 'Removed' && { presence }), removal: { ...answer, revision } }
  })
  return nodeImagesOf(facts, spec, ledger)
}

function look(object: ImageCache, nodes: NodeFacts[], ledgers: NodeImages[], now: string) {
  return aggregateAll(compileCache(object, 'IfNotPresent'), nodes, ledgers, now)
}

const GONE: Answer = { state: 'Removed' }

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
      purgeRevision: 1,
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

  it('is asked for again by another value that comes meanwhile', () => {
    const begun = cacheOf(ASKED, look(cacheOf(ASKED), nodes, [], T1).status)
    const all = nodes.map(each => planned(each, begun, { [X]: GONE, [Y]: GONE }))
    const stamped = cacheOf({ annotations: { [PURGE_ANNOTATION]: 'again' } }, begun.status)
    const end = look(stamped, nodes, all, T2)
    expect(end).toMatchObject({ status: { status: 'Succeeded' }, annotationsDone: [] })
    const next = look(cacheOf({ annotations: { [PURGE_ANNOTATION]: 'again' } }, end.status), nodes, all, T2)
    expect(next.status).toMatchObject({ status: 'Processing', purgeRevision: 2 })
  })

  it('is not undone by what a periodic refresh found meanwhile', () => {
    const purged = compileCache(cacheOf({}, { ...WARM, reason: 'ImageCachePurge' }), 'IfNotPresent')
    const { status } = aggregateAll(purged, nodes, [], T2, true)
    expect(status).toMatchObject({ status: 'Succeeded', reason: 'ImageCachePurge' })
  })

  it('says what stays, and why', () => {
    const begun = cacheOf(ASKED, look(cacheOf(ASKED), nodes, [], T1).status)
    const away = node('c', false)
    const ledgers = [
      planned(node('a'), begun, {
        [X]: GONE,
        [Y]: { state: 'Kept', reason: 'InUse', message: 'container web' },
      }),
      planned(node('b'), begun, {
        [X]: GONE,
        [Y]: { state: 'Kept', reason: 'InUse', message: 'container db' },
      }),
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

  it('counts images of a node without work as kept, whether its plan has their removals or not', () => {
    const begun = cacheOf(ASKED, look(cacheOf(ASKED), nodes, [], T1).status)
    const away = node('c', false)
    const unplanned = nodeImagesOf(
      away,
      planned(away, cacheOf()).spec ?? {},
      planned(away, cacheOf()).status?.images ?? [],
    )
    const reports = [unplanned, planned(away, begun)].map(ledger => look(begun, [away], [ledger], T2))
    for (const { status, awaited } of reports) {
      expect(awaited).toBe(0)
      expect(status.kept).toEqual(
        [X, Y].map(image => ({ image, reason: 'NotReady', count: 1, examples: ['c'] })),
      )
    }
  })

  it('stays done while images in use are looked at again, and tells when the last one has gone', () => {
    const begun = cacheOf(ASKED, look(cacheOf(ASKED), nodes, [], T1).status)
    const inUse: Answer = { state: 'Kept', reason: 'InUse', message: 'container web', count: 1 }
    const ledgers = (answer: Answer) => nodes.map(each => planned(each, begun, { [X]: GONE, [Y]: answer }))
    const done = look(begun, nodes, ledgers(inUse), T1).status
    expect(done).toMatchObject({ status: 'Succeeded', kept: [{ image: Y, reason: 'InUse', count: 2 }] })
    const late = look(cacheOf({}, done), nodes, ledgers(GONE), T2)
    expect(late).toMatchObject({ ended: false, status: { status: 'Succeeded', completionTime: T1 } })
    expect(late.status.message).not.toContain('"kept" section')
    expect(late.status).not.toHaveProperty('kept')
  })

  it('fails where a removal does, and a late success corrects that', () => {
    const begun = cacheOf(ASKED, look(cacheOf(ASKED), nodes, [], T1).status)
    const failure = { reason: 'RemovalFailed', message: 'the runtime is away' }
    const ledgers = (answer: Answer) => nodes.map(each => planned(each, begun, { [X]: GONE, [Y]: answer }))
    const failed = look(begun, nodes, ledgers({ state: 'Failed', ...failure }), T2).status
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

  it('that is asked for again waits for new answers', () => {
    const first = cacheOf(ASKED, look(cacheOf(ASKED), nodes, [], T1).status)
    const kept: Answer = { state: 'Kept', reason: 'InUse', message: '' }
    const answered = nodes.map(each => planned(each, first, { [X]: kept, [Y]: kept }))
    const done = cacheOf(ASKED, look(first, nodes, answered, T2).status)
    expect(done.status).toMatchObject({ status: 'Succeeded', purgeRevision: 1 })
    const again = cacheOf(ASKED, look(done, nodes, answered, T2).status)
    expect(again.status).toMatchObject({ status: 'Processing', purgeRevision: 2 })
    expect(look(again, nodes, answered, T2).awaited, 'no plan follows it').toBe(4)
    const caches = [compileCache(again, 'IfNotPresent')]
    const replanned = nodes.map((each, index) => {
      const { spec: previous = {}, status } = answered[index] ?? {}
      const ledger = status?.images ?? []
      return nodeImagesOf(each, planNode({ node: each, caches, previous, ledger }), ledger)
    })
    expect(look(again, nodes, replanned, T2).awaited, 'no answer').toBe(4)
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
    expect(look(begun, nodes, [planned(node('a'), begun)], T2)).toMatchObject({
      awaited: 1,
      status: { status: 'Processing', reason: 'ImageCacheUpdate' },
    })
    expect(look(begun, nodes, [planned(node('a'), begun, { [Y]: GONE })], T2)).toMatchObject({
      awaited: 0,
      status: { status: 'Succeeded', summary: { images: '1/1' } },
    })
  })
})
