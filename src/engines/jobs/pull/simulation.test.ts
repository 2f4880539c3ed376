import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cacheOf } from '../../../../test/builders/image-cache.ts'
import { T0 } from '../../../../test/builders/time.ts'
import type { ImageCache } from '../../../api/image-cache.ts'
import { type Cut, TestCluster } from './testing-cluster.ts'
import { wordOf } from './testing-decide.ts'
import type { NodeModel, Outcome } from './testing-kubelets.ts'

const HOUR = 3_600_000
const SILENT = 'silent.test'
const pool = ['good.test', 'odd.test', SILENT].flatMap(host => [
  ...Array.from({ length: 9 }, (_, index) => `${host}/app:${index}`),
  `${host}/moving`,
  `${host}/app:10`,
])

/** Compares the ledger and the store of each node with what the registries have. */
function check(cluster: TestCluster, outcomes: ReadonlyMap<string, Outcome>): void {
  expect(cluster.violations).toEqual([])
  for (const node of cluster.nodes) {
    const wanted = new Set(cluster.caches.flatMap(cache => cache.spec.cacheSpec.flatMap(list => list.images)))
    const planned = node.plan.images ?? []
    expect(new Set(planned.map(({ image }) => image))).toEqual(wanted)
    for (const desired of planned) {
      const found = node.ledger.find(
        ({ image, credential }) => image === desired.image && credential === desired.credential,
      )
      const outcome = outcomes.get(desired.image) ?? 'ok'
      const expected =
        outcome === 'missing' ? 'ImageNotFound' : outcome === 'denied' ? 'Unauthorized' : 'Present'
      expect([desired.image, found && wordOf(found)]).toEqual([desired.image, expected])
      expect(found?.presence?.state === 'Present').toBe(expected === 'Present')
      expect(node.store.has(desired.image)).toBe(expected === 'Present')
    }
  }
}

const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Outcome>('ok') },
  { weight: 1, arbitrary: fc.constantFrom<Outcome>('missing', 'denied') },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 4 }).map(errors => ({ errors })) },
)
const outcomes = fc
  .array(outcome, { minLength: pool.length, maxLength: pool.length })
  .map(list => new Map(pool.map((image, index) => [image, list[index] ?? 'ok'])))
const images = fc.subarray(pool, { minLength: 1 })
const caches = fc
  .array(
    fc.record({
      images,
      secret: fc.boolean(),
      namespace: fc.constantFrom('team', 'other'),
      always: fc.boolean(),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map(specs =>
    specs.map(({ images: list, secret, namespace, always }, index): ImageCache => {
      const cache = cacheOf(`cache${index}`, list, {
        ...(secret && { imagePullSecrets: [{ name: 'secret' }] }),
        ...(always && { pullPolicy: 'Always' }),
      })
      return { ...cache, metadata: { ...cache.metadata, namespace } }
    }),
  )
const models: fc.Arbitrary<NodeModel[]> = fc.array(
  fc.record({ method: fc.constantFrom('image-volumes', 'containers'), listed: fc.boolean() }),
  { minLength: 1, maxLength: 3 },
)
const action = fc.record({
  kind: fc.constantFrom('refresh', 'edit', 'delete', 'remove'),
  after: fc.integer({ min: 0, max: 90_000 }),
  images,
  target: fc.nat(2),
})
const cuts = fc.array(fc.constantFrom<Cut>('before', 'ledger', 'deletions', 'twice'), { maxLength: 12 })

function act(
  cluster: TestCluster,
  { kind, images: list, target }: typeof action extends fc.Arbitrary<infer T> ? T : never,
): void {
  const index = target % Math.max(1, cluster.caches.length)
  const cache = cluster.caches[index]
  if (kind === 'remove') {
    const node = cluster.nodes[target % cluster.nodes.length]
    const [image] = list
    if (node?.model.listed && image !== undefined) cluster.remove(node, image)
  } else if (cache && kind === 'delete') {
    cluster.caches = cluster.caches.toSpliced(index, 1)
  } else if (cache) {
    cluster.caches = cluster.caches.with(index, kind === 'edit' ? edited(cache, list) : refreshed(cache))
  }
}

function edited(cache: ImageCache, images: string[]): ImageCache {
  const { generation = 0 } = cache.metadata
  return {
    ...cache,
    metadata: { ...cache.metadata, generation: generation + 1 },
    spec: { ...cache.spec, cacheSpec: [{ images }] },
  }
}

function refreshed(cache: ImageCache): ImageCache {
  const refreshRevision = (cache.status?.refreshRevision ?? 0) + 1
  return { ...cache, status: { ...cache.status, refreshRevision } }
}

describe('a cluster', () => {
  it('comes to rest with each image there, or failed for its own reason, whatever happens before', () => {
    fc.assert(
      fc.property(
        caches,
        models,
        outcomes,
        fc.integer({ min: 0, max: 400 }),
        fc.array(action, { maxLength: 5 }),
        cuts,
        (list, nodes, answers, silence, actions, faults) => {
          const silent = new Map([[SILENT, T0 + silence * 1000]])
          const cluster = new TestCluster(list, nodes, answers, silent, faults)
          for (const next of actions) {
            cluster.runTo(cluster.now + next.after)
            act(cluster, next)
          }
          cluster.runTo(cluster.now + 1)
          expect(cluster.run(cluster.now + 24 * HOUR)).toBe(true)
          check(cluster, answers)
        },
      ),
      { numRuns: 40 },
    )
  }, 300_000)

  it('pulls nothing twice without a request, whatever the clocks of nodes without a list say', () => {
    const skews = fc.constantFrom(0, 120_000, -120_000, 86_400_000, -86_400_000)
    const clocked = fc.tuple(models, skews).map(([list, skewMs]) => list.map(model => ({ ...model, skewMs })))
    fc.assert(
      fc.property(caches, clocked, cuts, (list, nodes, faults) => {
        const cluster = new TestCluster(list, nodes, new Map(), new Map(), faults)
        expect(cluster.run(T0 + HOUR)).toBe(true)
        check(cluster, new Map())
        // With the policy Always the registry is asked for each credential, and for each Job that was made
        // again.
        for (const node of cluster.nodes) {
          const planned = node.plan.images ?? []
          for (const { image } of planned.filter(({ pullPolicy }) => pullPolicy === 'IfNotPresent')) {
            const always = planned.some(other => other.image === image && other.pullPolicy === 'Always')
            const tries = cluster.attempts.filter(
              attempt => attempt.node === node.name && attempt.image === image,
            )
            if (!always) expect(tries).toHaveLength(1)
          }
        }
      }),
      { numRuns: 40 },
    )
  }, 300_000)

  it('has every image of other registries after one attempt at a silent one on each node', () => {
    fc.assert(
      fc.property(images, models, (list, nodes) => {
        const silent = list.filter(image => image.startsWith(SILENT))
        const others = list.filter(image => !image.startsWith(SILENT))
        const cluster = new TestCluster(
          [cacheOf('cache', list)],
          nodes,
          new Map(),
          new Map([[SILENT, Infinity]]),
        )
        cluster.run(T0 + HOUR)
        expect(cluster.violations).toEqual([])
        for (const node of cluster.nodes) {
          const tries = cluster.attempts.filter(attempt => attempt.node === node.name)
          const last = tries.filter(({ image }) => others.includes(image)).at(-1)
          const before = tries.filter(
            ({ image, at: when }) => silent.includes(image) && when < (last?.at ?? 0),
          )
          expect(before.length).toBeLessThanOrEqual(1)
          expect([...node.store].toSorted()).toEqual(others.toSorted())
          expect(node.ledger.map(wordOf).filter(word => word === 'RegistryUnavailable')).toHaveLength(
            silent.length,
          )
        }
      }),
      { numRuns: 25 },
    )
  }, 300_000)

  it('tries again with growing pauses, at most twelve minutes', () => {
    const cluster = new TestCluster(
      [cacheOf('cache', ['good.test/a:1', 'good.test/b:1'])],
      [{ method: 'image-volumes', listed: false }],
      new Map([
        ['good.test/a:1', { errors: 1000 }],
        ['good.test/b:1', { errors: 1000 }],
      ]),
    )
    cluster.run(T0 + 3 * HOUR)
    for (const image of ['good.test/a:1', 'good.test/b:1']) {
      const times = cluster.attempts.filter(attempt => attempt.image === image).map(attempt => attempt.at)
      // The Job that gives each image a container of its own follows the first batch at once.
      const pauses = times.slice(2).map((time, index) => time - (times[index + 1] ?? 0))
      expect(pauses.length).toBeGreaterThan(8)
      expect(pauses.length).toBeLessThan(30)
      expect(pauses.every(pause => pause > 25_000 && pause < 730_000)).toBe(true)
      expect(Math.min(...pauses.slice(6))).toBeGreaterThan(550_000)
      expect(pauses.slice(0, 4)).toEqual(pauses.slice(0, 4).toSorted((a, b) => a - b))
    }
  })

  it('tries a permanent failure again after a refresh and after an edit, and at no other time', () => {
    const cluster = new TestCluster(
      [cacheOf('cache', ['good.test/none:1'])],
      [{ method: 'image-volumes', listed: true }],
      new Map([['good.test/none:1', 'missing']]),
    )
    const tried = () => cluster.attempts.length
    expect(cluster.run(T0 + HOUR)).toBe(true)
    expect(tried()).toBe(1)
    const [cache] = cluster.caches
    if (!cache) throw new Error('the cluster has no cache')
    const requests = [refreshed(cache), edited(refreshed(cache), ['good.test/none:1'])]
    for (const [index, request] of requests.entries()) {
      cluster.runTo(T0 + (index + 1) * HOUR)
      cluster.caches = [request]
      expect(cluster.run(cluster.now + HOUR)).toBe(true)
      expect(tried()).toBe(index + 2)
    }
    expect(cluster.violations).toEqual([])
  })

  it('brings back an image that somebody removed from the node', () => {
    const cluster = new TestCluster(
      [cacheOf('cache', ['good.test/a:1'])],
      [{ method: 'image-volumes', listed: true }],
      new Map(),
    )
    expect(cluster.run(T0 + HOUR)).toBe(true)
    const [node] = cluster.nodes
    if (!node) throw new Error('the cluster has no node')
    cluster.runTo(T0 + HOUR)
    cluster.remove(node, 'good.test/a:1')
    expect(cluster.run(T0 + 2 * HOUR)).toBe(true)
    expect(cluster.attempts).toHaveLength(2)
    check(cluster, new Map())
  })
})
