import { expect, it, onTestFinished } from 'vitest'
import { silentLogger } from '../../../src/kube/index.ts'
import { ClusterState } from '../../../src/state/cluster-state.ts'
import { cacheOf } from '../../builders/image-cache.ts'
import { eventually } from '../../harness/eventually.ts'
import { connect, newNamespace } from '../kube/fixture.ts'

it('a cache uses no node before its namespace is known', async () => {
  const client = connect()
  const cluster = new ClusterState(client, { defaultPolicy: 'IfNotPresent', log: silentLogger })
  const stop = new AbortController()
  const running = cluster.namespaceInformer.run(stop.signal)
  onTestFinished(() => {
    stop.abort()
    return running
  })
  const fenceIn = (namespace: string) =>
    cluster.compiled(`${namespace}/cache`)?.lists[0]?.namespaceNodeSelector
  const put = (namespace: string) =>
    cluster.cacheInformer.upsert(cacheOf('cache', ['registry.test/a:1'], {}, {}, { namespace }))
  await cluster.namespaceInformer.waitForSync(stop.signal)
  put('not-there')
  expect(fenceIn('not-there')).toEqual({ 'kubefledged.io/unknown-namespace': 'true' })
  const { namespace } = await newNamespace(client)
  put(namespace)
  await eventually('the namespace to be known', async () => fenceIn(namespace) === undefined)
})
