import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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
  NODES,
  type Node,
  newLog,
  newNamespace,
  runInformer,
  uniqueName,
} from './fixture.ts'

const SOON = AbortSignal.timeout(110_000)

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

/** A client with a direct connection to the API server, and one with a connection that the test can break. */
function clients(): { admin: KubeClient; client: KubeClient } {
  const { kubeconfig } = server
  return {
    admin: connect({ kubeconfig }),
    client: connect({ kubeconfig, server: `https://127.0.0.1:${proxy.port}` }),
  }
}

async function agreement(informer: Informer<ConfigMap>, configMaps: Resource<ConfigMap>, namespace: string) {
  return eventually('the informer to hold what the API server holds', async () => {
    expect(identities(informer.list())).toEqual(identities((await configMaps.list({ namespace })).items))
    return true
  })
}

describe('an informer whose API server is killed', () => {
  it('loses no change of those made around it, twice', async () => {
    const { admin } = clients()
    const { namespace, configMaps } = await newNamespace(admin)
    const { informer } = runInformer(configMaps, { namespace })
    const changes = changesOf(informer)
    await informer.waitForSync(SOON)

    const writing = new AbortController()
    let written = 0
    const writer = (async () => {
      while (!writing.signal.aborted) {
        const name = `c-${written}`
        try {
          await configMaps.create(configMap(namespace, name))
          if (written % 3 === 0) await configMaps.delete({ namespace, name })
        } catch {
          // The API server is down: the object may exist or not. Try the next one.
          await new Promise(resolve => setTimeout(resolve, 20))
        }
        written++
      }
    })()
    for (let i = 0; i < 2; i++) {
      const before = written
      await eventually('some writes', async () => written > before + 30)
      await server.kill()
      await server.restart()
    }
    const before = written
    await eventually('writes after the restart', async () => written > before + 30)
    writing.abort()
    await writer

    await agreement(informer, configMaps, namespace)
    expect(informer.size).toBeGreaterThan(50)
    const balance = new Map<string, number>()
    for (const change of changes) {
      const [type, rest = ''] = change.split(' ')
      const step = type === 'added' ? 1 : type === 'deleted' ? -1 : 0
      balance.set(rest, (balance.get(rest) ?? 0) + step)
    }
    const held = [...balance].filter(([, count]) => count === 1).map(([rest]) => rest.replace('=', ''))
    expect(held.sort()).toEqual([...informer.list()].map(({ metadata }) => metadata.name).sort())
    expect([...balance.values()].every(count => count === 0 || count === 1)).toBe(true)
  })
})

describe('an informer whose resourceVersion is Gone', () => {
  it('lists again and tells of the deletions and of the objects made anew in the gap', async () => {
    const { admin, client } = clients()
    const { namespace, configMaps } = await newNamespace(admin)
    for (const name of ['kept', 'changed', 'deleted', 'renewed']) {
      await configMaps.create(configMap(namespace, name, '1'))
    }
    const { log, lines } = newLog()
    const { informer } = runInformer(client.resource<ConfigMap>(configMaps.def), { namespace, log })
    await informer.waitForSync(SOON)
    const changes = changesOf(informer)
    changes.length = 0

    proxy.block()
    await configMaps.mergePatch({ namespace, name: 'changed' }, { data: { value: '2' } })
    await configMaps.delete({ namespace, name: 'deleted' })
    await configMaps.delete({ namespace, name: 'renewed' })
    const renewed = await configMaps.create(configMap(namespace, 'renewed', '2'))
    await server.compact(renewed.metadata.resourceVersion ?? '')
    // A watch cache from before still has the events that etcd has compacted.
    await server.kill()
    await server.restart()
    proxy.allow()

    await agreement(informer, configMaps, namespace)
    expect(lines.some(line => line.startsWith('the resourceVersion cannot be watched any more'))).toBe(true)
    expect(changes.sort()).toEqual([
      'added renewed=2',
      'deleted deleted=1',
      'deleted renewed=1',
      'updated changed=2',
    ])
    await configMaps.create(configMap(namespace, 'after'))
    await eventually('the watch to go on', async () => informer.get(`${namespace}/after`) !== undefined)
  })

  it('sees a Node that was deleted and made anew under its name as two', async () => {
    const { admin, client } = clients()
    const nodes = admin.resource<Node>(NODES)
    const name = uniqueName('node')
    const first = await nodes.create({ metadata: { name } })
    const { informer } = runInformer(client.resource<Node>(NODES))
    await informer.waitForSync(SOON)
    const seen: string[] = []
    informer.subscribe(({ type, object }) => {
      if (object.metadata.name === name) seen.push(`${type} ${object.metadata.uid}`)
    })

    proxy.block()
    await nodes.delete({ name })
    const second = await nodes.create({ metadata: { name } })
    await server.compact(second.metadata.resourceVersion ?? '')
    await server.kill()
    await server.restart()
    proxy.allow()
    await eventually('the new node', async () => informer.get(name)?.metadata.uid === second.metadata.uid)
    expect(seen).toEqual([
      `added ${first.metadata.uid}`,
      `deleted ${first.metadata.uid}`,
      `added ${second.metadata.uid}`,
    ])
  })
})

describe('an informer whose connection breaks', () => {
  it('loses nothing when it is cut again and again', async () => {
    const { admin, client } = clients()
    const { namespace, configMaps } = await newNamespace(admin)
    const { informer } = runInformer(client.resource<ConfigMap>(configMaps.def), { namespace })
    const changes = changesOf(informer)
    await informer.waitForSync(SOON)
    for (let i = 0; i < 60; i++) {
      await configMaps.create(configMap(namespace, `c-${i}`))
      if (i % 10 === 5) proxy.cut()
      if (i % 10 === 9) {
        await eventually(
          'the informer to come back',
          async () => informer.get(`${namespace}/c-${i}`) !== undefined,
        )
      }
    }
    await agreement(informer, configMaps, namespace)
    expect(changes).toHaveLength(60)
    expect(new Set(changes).size).toBe(60)
    expect(client.requestCount.watch).toBeGreaterThan(6)
  })

  it('notices a connection that has gone silent', async () => {
    const { admin, client } = clients()
    const { namespace, configMaps } = await newNamespace(admin)
    const { log, lines } = newLog()
    const { informer } = runInformer(client.resource<ConfigMap>(configMaps.def), {
      namespace,
      log,
      timing: { silenceMs: 1000 },
    })
    await informer.waitForSync(SOON)
    proxy.silence()
    await configMaps.create(configMap(namespace, 'unheard'))
    await eventually('it to be heard of', async () => informer.get(`${namespace}/unheard`) !== undefined)
    expect(lines.some(line => line.startsWith('watch failed') && line.includes('no byte'))).toBe(true)
  })

  it('waits for an API server that is not there yet', async () => {
    const { admin, client } = clients()
    const { namespace, configMaps } = await newNamespace(admin)
    await configMaps.create(configMap(namespace, 'a'))
    proxy.block()
    const { log, lines } = newLog()
    const { informer } = runInformer(client.resource<ConfigMap>(configMaps.def), { namespace, log })
    await eventually(
      'some failures',
      async () => lines.filter(line => line.startsWith('watch failed')).length > 1,
    )
    expect(informer.hasSynced).toBe(false)
    proxy.allow()
    await informer.waitForSync(SOON)
    expect(informer.size).toBe(1)
  })
})
