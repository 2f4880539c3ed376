import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Informer, KubeClient, Resource } from '../../../src/kube/index.ts'
import { ApiServer } from '../../harness/api-server.ts'
import { eventually } from '../../harness/eventually.ts'
import { TcpProxy } from '../../harness/tcp-proxy.ts'
import {
  type ConfigMap,
  changesOf,
  configMap,
  connect,
  identities,
  newNamespace,
  runInformer,
} from './fixture.ts'

const SOON = AbortSignal.timeout(110_000)
/** A watch from a version that the API server does not have yet is silent. */
const TIMING = { silenceMs: 5000 }

let server: ApiServer
let proxy: TcpProxy
beforeAll(async () => {
  server = await ApiServer.start()
  proxy = await TcpProxy.start(Number(new URL(server.url).port))
})
afterAll(async () => {
  await proxy[Symbol.asyncDispose]()
  await server.stop()
})

function clients(): { admin: KubeClient; client: KubeClient } {
  const { kubeconfig } = server
  return {
    admin: connect({ kubeconfig }),
    client: connect({ kubeconfig, server: `https://127.0.0.1:${proxy.port}` }),
  }
}

async function agreement(informer: Informer<ConfigMap>, configMaps: Resource<ConfigMap>, namespace: string) {
  await eventually('the informer to hold what the API server holds', async () => {
    expect(identities(informer.list())).toEqual(identities((await configMaps.list({ namespace })).items))
    return true
  })
}

/** An informer that has seen changes after a backup. Its changes from then on. */
async function aheadOfBackup() {
  const { admin, client } = clients()
  const { namespace, configMaps } = await newNamespace(admin)
  for (const name of ['kept', 'changed', 'deleted']) await configMaps.create(configMap(namespace, name, '1'))
  await server.backUp()
  const { informer } = runInformer(client.resource<ConfigMap>(configMaps.def), { namespace, timing: TIMING })
  await informer.waitForSync(SOON)
  await configMaps.mergePatch({ namespace, name: 'changed' }, { data: { value: '2' } })
  await configMaps.delete({ namespace, name: 'deleted' })
  await configMaps.create(configMap(namespace, 'new', '1'))
  await agreement(informer, configMaps, namespace)
  const changes = changesOf(informer)
  changes.length = 0
  return { namespace, configMaps, informer, changes }
}

const RESTORED = ['added deleted=1', 'deleted new=1', 'updated changed=1']

it('follows an API server whose etcd was restored from a backup', async () => {
  const { namespace, configMaps, informer, changes } = await aheadOfBackup()
  await server.restore()
  await agreement(informer, configMaps, namespace)
  expect(changes.sort()).toEqual(RESTORED)
  await configMaps.create(configMap(namespace, 'after'))
  await eventually('the watch to go on', async () => informer.get(`${namespace}/after`) !== undefined)
})

it('takes its list for the truth also when its versions have passed the old ones', async () => {
  const { namespace, configMaps, informer, changes } = await aheadOfBackup()
  proxy.block()
  await server.restore()
  let last = ''
  for (let i = 0; i < 30; i++) {
    last = (await configMaps.create(configMap('default', `other-${i}`))).metadata.resourceVersion ?? ''
  }
  await server.compact(last)
  await server.restart()
  proxy.allow()
  await agreement(informer, configMaps, namespace)
  expect(changes.sort()).toEqual(RESTORED)
})
