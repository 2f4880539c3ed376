import { afterEach, describe, expect, it } from 'vitest'
import { cacheOf } from '../../test/builders/image-cache.ts'
import { silentLogger } from '../kube/index.ts'
import { apiServer } from './testing.ts'
import { ClusterState } from './cluster-state.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A cluster that nobody has told anything. */
async function emptyCluster(): Promise<ClusterState> {
  const { client, close } = await apiServer(() => ({ status: 404, body: {} }))
  closers.push(close)
  return new ClusterState(client, {
    defaultPolicy: 'IfNotPresent',
    log: silentLogger,
  })
}

describe('ClusterState.compiledCaches', () => {
  it('is the same list until a cache changes', async () => {
    const cluster = await emptyCluster()
    cluster.cacheInformer.upsert(cacheOf('b', ['registry.test/b:1']))
    const before = cluster.compiledCaches()
    expect(cluster.compiledCaches()).toBe(before)
    cluster.cacheInformer.upsert(cacheOf('a', ['registry.test/a:1']))
    expect(cluster.compiledCaches().map(({ key }) => key)).toEqual(['team/a', 'team/b'])
  })

  it('follows what administrators allow and where they keep the Pods of a namespace', async () => {
    const { client, close } = await apiServer(() => ({ status: 404, body: {} }))
    closers.push(close)
    const cluster = new ClusterState(client, {
      defaultPolicy: 'IfNotPresent',
      allowed: ['priorityClassName'],
      log: silentLogger,
    })
    const allowed = cacheOf('allowed', ['registry.test/a:1'], { jobTemplate: { priorityClassName: 'mine' } })
    const refused = cacheOf('refused', ['registry.test/a:1'], { jobTemplate: { runtimeClassName: 'kata' } })
    for (const cache of [allowed, refused]) cluster.cacheInformer.upsert(cache)
    const wanted = () => cluster.compiledCaches().map(({ lists }) => lists[0]?.wanted.length)
    const fences = () => cluster.compiledCaches().map(({ lists }) => lists[0]?.namespaceNodeSelector)
    expect([wanted(), fences()]).toEqual([
      [1, 0],
      [undefined, undefined],
    ])
    const namespaceNodeSelector = { pool: 'team' }
    cluster.namespaceInformer.upsert({ metadata: { name: 'other' }, nodeSelector: { pool: 'other' } })
    cluster.namespaceInformer.upsert({
      metadata: { name: 'team', resourceVersion: '1' },
      nodeSelector: namespaceNodeSelector,
    })
    expect([wanted(), fences()]).toEqual([
      [1, 0],
      [namespaceNodeSelector, namespaceNodeSelector],
    ])
    cluster.namespaceInformer.upsert({ metadata: { name: 'team', resourceVersion: '2' } })
    expect(fences()).toEqual([undefined, undefined])
  })
})
