import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { aggregateAll } from '../../../test/builders/aggregate.ts'
import { cacheOf } from '../../../test/builders/image-cache.ts'
import { entryOf, failedEntryOf, nodeImagesOf } from '../../../test/builders/node-images.ts'
import { type NodeOptions, nodeWith } from '../../../test/builders/node.ts'
import { at } from '../../../test/builders/time.ts'
import { REFRESH_ANNOTATION } from '../../api/constants.ts'
import type { ImageCache, ImageCacheStatus } from '../../api/image-cache.ts'
import type { LedgerEntry, NodeImages, NodeImagesSpec } from '../../api/node-images.ts'
import type { NodeFacts } from '../node/index.ts'
import { compileCache, shortHash } from '../demand/index.ts'
import { planNode } from '../plan/index.ts'
import { refreshWaitMs } from './action.ts'

const [T0, T1, T2] = [at(0), at(60), at(120)]

const node = (name: string, options: NodeOptions = {}): NodeFacts =>
  nodeWith(name, {
    madeAt: '2025-12-01T00:00:00Z',
    labels: { 'kubernetes.io/hostname': `host-${name}` },
    ...options,
  })

function cache(
  images: string[],
  change: Partial<ImageCache> & { annotations?: Record<string, string> } = {},
): ImageCache {
  const { annotations, ...rest } = change
  const { metadata, spec } = cacheOf('c', images, {}, {}, { ...(annotations && { annotations }) })
  return { metadata, spec, ...rest }
}

/** How the request for an image is answered. */
type Answer = 'present' | 'pulling' | Partial<NonNullable<LedgerEntry['attempt']>>

function answered(image: string, revision: number, answer: Answer): LedgerEntry {
  if (answer === 'pulling') return { image, attempt: { state: 'Pulling', revision } }
  if (answer !== 'present')
    return failedEntryOf(image, answer.reason ?? 'PullFailed', { ...answer, revision })
  return entryOf(image, { presence: { state: 'Present', since: at(1), by: 'Job', revision } })
}

/** The NodeImages that the plan makes for a node, with the given answers in its ledger. */
function warmed(
  facts: NodeFacts,
  object: ImageCache,
  answers: Record<string, Answer>,
  previous: NodeImagesSpec = {},
): NodeImages {
  const caches = [compileCache(object, 'IfNotPresent')]
  const spec = planNode({ node: facts, caches, previous, ledger: [] })
  const ledger = (spec.images ?? []).flatMap(({ image, revision }) => {
    const answer = answers[image]
    return answer ? [answered(image, revision, answer)] : []
  })
  return nodeImagesOf(facts, spec, ledger)
}

function look(object: ImageCache, nodes: NodeFacts[], ledgers: NodeImages[], now: string) {
  return aggregateAll(compileCache(object, 'IfNotPresent'), nodes, ledgers, now)
}

/** What the API server has after a status was written. */
function written(object: ImageCache, status: ImageCacheStatus): ImageCache {
  return { ...object, status: structuredClone(status) }
}

describe('an image that failed for one of its caches', () => {
  const [refused, waiting] = ['c', 'd'].map(name => cacheOf(name, ['r.io/x:1'])) as [ImageCache, ImageCache]
  const facts = node('a')
  const caches = [refused, waiting].map(object => compileCache(object, 'IfNotPresent'))
  const spec = planNode({ node: facts, caches, previous: {}, ledger: [] })
  const [owner = ''] = caches.map(each => each.owner)
  const failed = failedEntryOf('r.io/x:1', 'JobRefused', { owner, message: 'exceeded quota' })
  const states = (ledger: LedgerEntry[]) =>
    [refused, waiting].map(object => {
      const begun = written(object, look(object, [facts], [], T0).status)
      const { status } = look(begun, [facts], [nodeImagesOf(facts, spec, ledger)], T1)
      return [status.status, status.failures?.['r.io/x:1']?.[0]?.reason]
    })

  it('has failed for that one, and is still awaited by the other', () => {
    expect(states([failed])).toEqual([
      ['Failed', 'JobRefused'],
      ['Processing', undefined],
    ])
  })

  it('has succeeded for both once it is there', () => {
    expect(states([entryOf('r.io/x:1')])).toEqual([
      ['Succeeded', undefined],
      ['Succeeded', undefined],
    ])
  })
})

describe('the life of a cache', () => {
  const nodes = [node('a'), node('b')]
  const created = cache(['r.io/x:1', 'r.io/y:1'])

  it('begins with Processing and the words that clients compare', () => {
    const { status, ended } = look(created, nodes, [], T0)
    expect(status).toMatchObject({
      status: 'Processing',
      reason: 'ImageCacheCreate',
      message: 'Images are being pulled on to the nodes. Please view the status after some time',
      startTime: T0,
      observedGeneration: 1,
      nodes: { desired: 2, ready: 0 },
      summary: { images: '0/2', nodes: '0/2' },
    })
    expect(status.completionTime).toBeUndefined()
    expect(ended).toBe(false)
  })

  it('goes on until every node has answered, and then succeeds', () => {
    const begun = written(created, look(created, nodes, [], T0).status)
    const all = { 'r.io/x:1': 'present', 'r.io/y:1': 'present' } as const
    const half = [warmed(node('a'), begun, all), warmed(node('b'), begun, { 'r.io/x:1': 'present' })]
    const between = look(begun, nodes, half, T1)
    expect(between.status).toMatchObject({
      status: 'Processing',
      nodes: { desired: 2, ready: 1 },
      summary: { images: '1/2', nodes: '1/2' },
    })
    const whole = nodes.map(each => warmed(each, begun, all))
    const end = look(begun, nodes, whole, T1)
    expect(end.ended).toBe(true)
    expect(end.status).toMatchObject({
      status: 'Succeeded',
      reason: 'ImageCacheCreate',
      message: 'All requested images pulled succesfully to respective nodes',
      startTime: T0,
      completionTime: T1,
    })
    const after = look(written(begun, end.status), nodes, whole, T2)
    expect(after.status).toEqual(end.status)
    expect(after.ended).toBe(false)
  })

  it('fails with the reason and words of each image, and is corrected by a late success', () => {
    const begun = written(created, look(created, nodes, [], T0).status)
    const bad = { reason: 'RegistryUnavailable', message: 'connection refused' }
    const ledgers = [
      warmed(node('a'), begun, { 'r.io/x:1': 'present', 'r.io/y:1': bad }),
      warmed(node('b'), begun, { 'r.io/x:1': 'present', 'r.io/y:1': 'present' }),
    ]
    const failed = look(begun, nodes, ledgers, T1)
    expect(failed.status).toMatchObject({
      status: 'Failed',
      message: 'Image pull failed for some images. Please see "failures" section',
      failures: {
        'r.io/y:1': [{ node: 'host-a', reason: 'RegistryUnavailable', message: 'connection refused' }],
      },
    })
    const late = nodes.map(each => warmed(each, begun, { 'r.io/x:1': 'present', 'r.io/y:1': 'present' }))
    const corrected = look(written(begun, failed.status), nodes, late, T2)
    expect(corrected.status).toMatchObject({ status: 'Succeeded', completionTime: T2 })
    expect(corrected.status.failures).toBeUndefined()
  })

  it('an edit begins anew at once, also while it is pulling', () => {
    const begun = written(created, look(created, nodes, [], T0).status)
    const edited = { ...begun, metadata: { ...begun.metadata, generation: 2 } }
    expect(look(edited, nodes, [], T1).status).toMatchObject({
      status: 'Processing',
      reason: 'ImageCacheUpdate',
      startTime: T1,
      observedGeneration: 2,
    })
  })

  it('what failed before an edit has to be answered again', () => {
    const begun = written(created, look(created, nodes, [], T0).status)
    const bad = { reason: 'ImageNotFound', message: 'not found' }
    const ledgers = nodes.map(each => warmed(each, begun, { 'r.io/x:1': 'present', 'r.io/y:1': bad }))
    const failed = written(begun, look(begun, nodes, ledgers, T1).status)
    const edited = { ...failed, metadata: { ...failed.metadata, generation: 2 } }
    const updating = written(edited, look(edited, nodes, ledgers, T2).status)
    expect(look(updating, nodes, ledgers, T2).status.status, 'no plan follows it').toBe('Processing')
    const planned = nodes.map((each, index) => {
      const { spec: previous = {}, status } = ledgers[index] ?? {}
      const caches = [compileCache(updating, 'IfNotPresent')]
      const ledger = status?.images ?? []
      return nodeImagesOf(each, planNode({ node: each, caches, previous, ledger }), ledger)
    })
    expect(look(updating, nodes, planned, T2).status.status, 'no answer').toBe('Processing')
  })

  it('a node that joins during an action does not hold it up', () => {
    const begun = written(created, look(created, nodes, [], T0).status)
    const ledgers = nodes.map(each => warmed(each, begun, { 'r.io/x:1': 'present', 'r.io/y:1': 'present' }))
    const joined = node('new', { madeAt: T1 })
    expect(look(begun, [...nodes, joined], ledgers, T1).status).toMatchObject({
      status: 'Succeeded',
      nodes: { desired: 3, ready: 2 },
    })
  })
})

describe('a refresh', () => {
  const nodes = [node('a')]
  const plain = cache(['r.io/x:latest'])
  const begun = written(plain, look(plain, nodes, [], T0).status)
  const done = { 'r.io/x:latest': 'present' } as const
  const warm = written(begun, look(begun, nodes, [warmed(node('a'), begun, done)], T0).status)
  const asked: ImageCache = {
    ...warm,
    metadata: { ...warm.metadata, annotations: { [REFRESH_ANNOTATION]: '' } },
  }

  it.each(['', 'now'])('begins with the annotation %j, and asks for everything again', value => {
    const annotations = { [REFRESH_ANNOTATION]: value }
    const annotated = { ...warm, metadata: { ...warm.metadata, annotations } }
    const { status } = look(annotated, nodes, [], T1)
    expect(status).toMatchObject({
      status: 'Processing',
      reason: 'ImageCacheRefresh',
      refreshRevision: 1,
      refreshAnnotation: shortHash(value),
    })
    const ended = { ...status, status: 'Succeeded' }
    expect(look(written(annotated, ended), nodes, [], T2).status.refreshRevision).toBe(2)
  })

  it('is not over before answers to the new request have come', () => {
    const refreshing = written(asked, look(asked, nodes, [], T1).status)
    const old = warmed(node('a'), begun, done)
    expect(look(refreshing, nodes, [old], T2).status.status, 'no plan follows it').toBe('Processing')
    const planned = warmed(node('a'), refreshing, {}, old.spec)
    const unanswered = { ...planned, ...(old.status && { status: old.status }) }
    expect(look(refreshing, nodes, [unanswered], T2).status.status, 'no answer').toBe('Processing')
    const renewed = look(refreshing, nodes, [warmed(node('a'), refreshing, done, old.spec)], T2)
    expect(renewed.status).toMatchObject({ status: 'Succeeded', reason: 'ImageCacheRefresh' })
    expect(renewed.annotationsDone).toEqual([REFRESH_ANNOTATION])
  })

  it('is asked for again by another value that comes meanwhile, and waits a moment for its turn', () => {
    const first = written(asked, look(asked, nodes, [], T1).status)
    const stamped = { ...first, metadata: { ...first.metadata, annotations: { [REFRESH_ANNOTATION]: '2' } } }
    const ledgers = [warmed(node('a'), first, done, warmed(node('a'), begun, done).spec)]
    const end = look(stamped, nodes, ledgers, at(61))
    expect(end).toMatchObject({ status: { status: 'Succeeded' }, annotationsDone: [] })
    const ended = written(stamped, end.status)
    expect(look(ended, nodes, ledgers, at(62)).status, 'too early').toMatchObject({ status: 'Succeeded' })
    expect(refreshWaitMs(ended, at(62))).toBe(8_000)
    const next = look(ended, nodes, ledgers, at(70)).status
    expect(next).toMatchObject({
      status: 'Processing',
      refreshRevision: 2,
      refreshAnnotation: shortHash('2'),
    })
  })

  it('does not wait for a clock that was ahead', () => {
    const first = written(asked, look(asked, nodes, [], at(100_000)).status)
    expect(refreshWaitMs(first, at(0))).toBe(10_000)
  })

  it('waits for an action that is under way', () => {
    const busy = { ...asked, status: { ...warm.status, status: 'Processing', reason: 'ImageCacheCreate' } }
    const { status, annotationsDone } = look(busy, nodes, [warmed(node('a'), begun, done)], T1)
    expect(status).toMatchObject({ status: 'Succeeded', reason: 'ImageCacheCreate' })
    expect(annotationsDone).toEqual([])
  })

  it('has its turn after a periodic one that asked for less', () => {
    const compiled = compileCache(warm, 'IfNotPresent')
    const periodic = written(warm, aggregateAll(compiled, nodes, [], T1, true).status)
    expect(periodic.status).toMatchObject({ status: 'Processing', reason: 'ImageCacheRefresh' })
    const annotated: ImageCache = { ...periodic, metadata: asked.metadata }
    const ended = look(annotated, nodes, [warmed(node('a'), begun, done)], T2)
    expect(ended).toMatchObject({ status: { status: 'Succeeded' }, annotationsDone: [] })
    const next = look(written(annotated, ended.status), nodes, [], T2).status
    expect(next).toMatchObject({ status: 'Processing', refreshRevision: 1 })
  })
})

describe('a node without room for all images', () => {
  it('fails those that are left out, and nothing waits for them', () => {
    const object = cache(['r.io/x:1', 'r.io/y:1'])
    const begun = written(object, look(object, [node('a')], [], T0).status)
    const ledger = warmed(node('a'), begun, { 'r.io/x:1': 'present' })
    const { owner } = compileCache(object, 'IfNotPresent')
    const images = (ledger.spec?.images ?? []).filter(({ image }) => image === 'r.io/x:1')
    const crowded = (...crowdedOut: string[]) => ({ ...ledger, spec: { ...ledger.spec, images, crowdedOut } })
    expect(look(begun, [node('a')], [crowded('another')], T1).status.status).toBe('Processing')
    const { status } = look(begun, [node('a')], [crowded('another', owner)], T1)
    expect(status).toMatchObject({
      status: 'Failed',
      nodes: { desired: 1, ready: 0 },
      images: [
        { image: 'r.io/x:1', desired: 1, present: 1 },
        { image: 'r.io/y:1', desired: 1, present: 0, failed: 1 },
      ],
      failures: { 'r.io/y:1': [{ node: 'host-a', reason: 'TooManyImages' }] },
    })
    expect(status.failures).not.toHaveProperty(['r.io/x:1'])
  })
})

describe('nodes that get no work', () => {
  it('are neither desired nor failed, and the status says why', () => {
    const nodes = [
      node('a'),
      node('b', { ready: false }),
      node('c', { unschedulable: true }),
      node('d', { unschedulable: true }),
    ]
    const { status } = look(cache(['r.io/x:1']), nodes, [], T0)
    expect(status.nodes).toEqual({ desired: 1, ready: 0, skipped: 3 })
    expect(status.skipped).toEqual([
      { reason: 'NotReady', count: 1, examples: ['b'] },
      { reason: 'Cordoned', count: 2, examples: ['c', 'd'] },
    ])
  })

  it('no matching node ends the action with the old words', () => {
    const object = cache([], {
      spec: { cacheSpec: [{ images: ['r.io/x:1'], nodeSelector: { tier: 'none' } }] },
    })
    const begun = written(object, look(object, [node('a')], [], T0).status)
    expect(look(begun, [node('a')], [], T1).status).toMatchObject({
      status: 'NoImagesPulledOrDeleted',
      message: 'No images were pulled or deleted because nodeSelector specified did not match any nodes',
    })
  })
})

describe('what the CRD lets in', () => {
  it('a status of an older release stays as it is', () => {
    const old: ImageCacheStatus = {
      status: 'Succeeded',
      reason: 'ImageCacheCreate',
      message: 'm',
      startTime: T0,
      completionTime: T0,
    }
    const object = cache(['r.io/x:1'], { status: old })
    expect(look(object, [node('a')], [], T1).status).toMatchObject({ ...old, observedGeneration: 1 })
  })

  it('an action that an older release broke off goes on', () => {
    const old: ImageCacheStatus = {
      status: 'Aborted',
      reason: 'ImagePullAborted',
      message: 'm',
      startTime: T0,
    }
    expect(look(cache(['r.io/x:1'], { status: old }), [node('a')], [], T1).status.status).toBe('Processing')
  })

  it('a reference that is none fails on its nodes with its own reason, also when it is called __proto__', () => {
    const object = cache(['__proto__', 'UPPER', 'r.io/x:1'])
    const begun = written(object, look(object, [node('a')], [], T0).status)
    const { status } = look(begun, [node('a')], [warmed(node('a'), begun, { 'r.io/x:1': 'present' })], T1)
    expect(status.status).toBe('Failed')
    expect(Object.keys(status.failures ?? {})).toEqual(['__proto__', 'UPPER'])
    expect(status.images).toContainEqual({ image: 'r.io/x:1', desired: 1, present: 1 })
  })

  it('no object outgrows its bounds', () => {
    const images = Array.from({ length: 3000 }, (_, index) => `r.io/${'x'.repeat(100)}${index}:1`)
    const object = cache(images)
    const begun = written(object, look(object, [node('a')], [], T0).status)
    const bad = { reason: 'ImageNotFound', message: 'm'.repeat(256) }
    const nodes = Array.from({ length: 20 }, (_, index) => node(`n${index}`))
    const answers = Object.fromEntries(images.map(image => [image, bad]))
    const { status } = look(
      begun,
      nodes,
      nodes.map(each => warmed(each, begun, answers)),
      T1,
    )
    expect(Buffer.byteLength(JSON.stringify(status))).toBeLessThan(65_536)
    const listed = Object.values(status.failures ?? {}).flat().length
    expect(listed + (status.moreFailures ?? 0)).toBe(3000 * 20)
    expect((status.images ?? []).length + (status.moreImages ?? 0)).toBe(3000)
    for (const failures of Object.values(status.failures ?? {}))
      expect(failures.length).toBeLessThanOrEqual(10)
  })

  it.each([
    { schedule: '61 3 * * *', status: 'True', reason: 'InvalidSchedule' },
    { schedule: '30 3 * * *', timeZone: 'Mars/Olympus', status: 'True', reason: 'InvalidSchedule' },
    { schedule: '30 3 * * *', timeZone: 'Europe/Berlin', status: 'False', reason: 'NoFailures' },
  ])('a schedule $schedule in $timeZone is Degraded $status, $reason', row => {
    const { schedule, timeZone, status, reason } = row
    const refresh = { schedule, ...(timeZone !== undefined && { timeZone }) }
    const object = cache(['a'], { spec: { cacheSpec: [{ images: ['a'] }], refresh } })
    const degraded = look(object, [node('n1')], [], T0).status.conditions?.find(
      ({ type }) => type === 'Degraded',
    )
    expect(degraded).toMatchObject({ status, reason })
    if (status === 'True') expect(degraded?.message).toMatch(/^spec\.refresh\.schedule is not followed: \S/)
  })

  it('a suspended cache does nothing and says so', () => {
    const object = cache([], { spec: { cacheSpec: [{ images: ['r.io/x:1'] }], suspend: true } })
    const { status } = look(object, [node('a')], [], T0)
    expect(status).toMatchObject({ status: 'Aborted', message: 'Image cache is suspended' })
    expect(status.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'Suspended',
    })
  })

  it('the same world gives the same status: a second look changes nothing', () => {
    const answer = fc.constantFrom<Answer | undefined>('present', 'pulling', { reason: 'Timeout' }, undefined)
    fc.assert(
      fc.property(fc.array(fc.tuple(answer, answer), { maxLength: 4 }), fc.boolean(), (answers, cordoned) => {
        const object = cache(['r.io/x:1', 'r.io/y:1'])
        const nodes = answers.map((_, index) => node(`n${index}`, { unschedulable: cordoned && index === 0 }))
        const begun = written(object, look(object, nodes, [], T0).status)
        const ledgers = nodes.map((each, index) => {
          const [x, y] = answers[index] ?? []
          return warmed(each, begun, { ...(x && { 'r.io/x:1': x }), ...(y && { 'r.io/y:1': y }) })
        })
        const once = written(begun, look(begun, nodes, ledgers, T1).status)
        expect(look(once, nodes, ledgers, T2).status).toEqual(once.status)
      }),
    )
  })
})
