import { afterEach, describe, expect, it } from 'vitest'
import { cacheOf, jobOf, nodeOf } from '../engines/jobs/pull/testing.ts'
import { silentLogger } from '../kube/index.ts'
import { apiServer } from './testing.ts'
import { World } from './cluster-state.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A world that nobody has told anything. */
async function emptyWorld(): Promise<World> {
  const { client, close } = await apiServer(() => ({ status: 404, body: {} }))
  closers.push(close)
  return new World(client, { namespace: 'kube-fledged', defaultPolicy: 'IfNotPresent', log: silentLogger })
}

describe('World.jobsInFlight', () => {
  it('counts what pulls on a node that is there, and nothing that only carries our labels', async () => {
    const world = await emptyWorld()
    world.nodeInformer.upsert(nodeOf('n1'))
    world.cacheInformer.upsert(cacheOf('cache', ['registry.test/app:1']))
    const job = jobOf(['registry.test/app:1'])
    const named = (name: string) => ({ ...job.metadata, name })
    world.jobInformer.upsert({ ...job, metadata: named('pulls') })
    world.jobInformer.upsert({ ...job, metadata: named('has-ended'), finished: true })
    world.jobInformer.upsert({ ...job, metadata: { ...named('goes'), deletionTimestamp: 'now' } })
    world.jobInformer.upsert({ ...job, metadata: named('of-another-machine'), nodeUid: 'other' })
    world.jobInformer.upsert({ ...job, metadata: named('of-kube-fledged'), nodeName: '', nodeUid: '' })
    world.jobInformer.upsert({ ...job, metadata: named('of-nobody'), ownerUid: '' })
    world.jobInformer.upsert({ ...job, metadata: named('of-another'), ownerUid: 'uid-of-another' })
    world.jobInformer.upsert({ ...job, metadata: { ...named('from-elsewhere'), namespace: 'other' } })
    world.jobInformer.upsert({ ...job, metadata: named('of-no-cache'), cache: 'team/gone' })
    expect([...world.jobsInFlight()].map(({ metadata }) => metadata.name)).toEqual(['pulls'])
    const onNode = world.jobsOf('n1').map(({ metadata }) => metadata.name)
    expect(onNode.toSorted()).toEqual(['goes', 'has-ended', 'of-another-machine', 'pulls'])
  })
})

describe('World.compiledCaches', () => {
  it('is the same list until a cache changes', async () => {
    const world = await emptyWorld()
    world.cacheInformer.upsert(cacheOf('b', ['registry.test/b:1']))
    const before = world.compiledCaches()
    expect(world.compiledCaches()).toBe(before)
    world.cacheInformer.upsert(cacheOf('a', ['registry.test/a:1']))
    expect(world.compiledCaches().map(({ key }) => key)).toEqual(['team/a', 'team/b'])
  })

  it('follows what administrators allow and where they keep the Pods of a namespace', async () => {
    const { client, close } = await apiServer(() => ({ status: 404, body: {} }))
    closers.push(close)
    const world = new World(client, {
      namespace: 'kube-fledged',
      defaultPolicy: 'IfNotPresent',
      allowed: ['priorityClassName'],
      log: silentLogger,
    })
    const allowed = cacheOf('allowed', ['registry.test/a:1'], { jobTemplate: { priorityClassName: 'mine' } })
    const refused = cacheOf('refused', ['registry.test/a:1'], { jobTemplate: { runtimeClassName: 'kata' } })
    for (const cache of [allowed, refused]) world.cacheInformer.upsert(cache)
    const wanted = () => world.compiledCaches().map(({ lists }) => lists[0]?.wanted.length)
    const fences = () => world.compiledCaches().map(({ lists }) => lists[0]?.fence)
    expect([wanted(), fences()]).toEqual([
      [1, 0],
      [undefined, undefined],
    ])
    const fence = { pool: 'team' }
    world.namespaceInformer.upsert({ metadata: { name: 'other' }, nodeSelector: { pool: 'other' } })
    world.namespaceInformer.upsert({ metadata: { name: 'team', resourceVersion: '1' }, nodeSelector: fence })
    expect([wanted(), fences()]).toEqual([
      [1, 0],
      [fence, fence],
    ])
    world.namespaceInformer.upsert({ metadata: { name: 'team', resourceVersion: '2' } })
    expect(fences()).toEqual([undefined, undefined])
  })
})
