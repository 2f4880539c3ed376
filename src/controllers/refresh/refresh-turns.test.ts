import { type Server, createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { cacheOf } from '../../../test/builders/image-cache.ts'
import { silentLogger } from '../../kube/index.ts'
import { RegistryClient } from '../../oci/registry/index.ts'
import { CircuitBreaker } from '../../state/circuit-breaker.ts'
import { ClusterState } from '../../state/cluster-state.ts'
import { TagResolver } from '../../state/tag-resolver.ts'
import { apiServer } from '../../state/testing.ts'
import { Refresher } from './refresher.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function addressOf(server: Pick<Server, 'listen' | 'address'>): Promise<string> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A registry that answers each question with this status, by now. */
async function registry() {
  const state = { status: 200, asked: 0 }
  const server = createServer((_, response) => {
    state.asked += 1
    const type = 'application/vnd.oci.image.manifest.v1+json'
    response.writeHead(state.status, {
      'content-type': type,
      'docker-content-digest': `sha256:${'a'.repeat(64)}`,
    })
    response.end()
  })
  const host = await addressOf(server)
  closers.push(() => server.close().closeAllConnections())
  return { host, state }
}

/** A host that takes connections and never answers. */
async function silentHost() {
  const sockets: { destroy: () => void }[] = []
  const server = createTcpServer(socket => void sockets.push(socket))
  const host = await addressOf(server as unknown as Server)
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { host, sockets }
}

/** A refresher of caches that are due each second, in the namespaces `a` and `b`. */
async function refresherOf(hosts: readonly string[], caches: readonly ReturnType<typeof cacheOf>[]) {
  const { client, close } = await apiServer(() => ({ status: 404, body: {} }))
  const cluster = new ClusterState(client, { defaultPolicy: 'IfNotPresent', log: silentLogger })
  for (const cache of caches) cluster.cacheInformer.upsert(cache)
  const insecureHosts = new Set(hosts)
  const client2 = new RegistryClient({ userAgent: 'test', insecureHosts, loopbackHosts: insecureHosts })
  closers.push(close, () => client2.close())
  let now = Date.now()
  const tags = new TagResolver({
    registry: client2,
    breaker: new CircuitBreaker(),
    now: () => now,
    enqueue: () => {},
    wake: () => {},
    log: silentLogger,
  })
  Object.assign(cluster, { now: () => now })
  const made = new Refresher({ cluster, tags, frequencyMs: 1_000, onNeed: () => {}, log: silentLogger })
  const { signal } = new AbortController()
  return {
    made,
    pass: (ms: number) => (now += ms),
    look: (key: string) => made.reconcile(key, signal),
  }
}

const images = (host: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${host}/app-${index}:latest`)

it('asks a silent host no longer than its turn, while caches of other namespaces are refreshed', async () => {
  const good = await registry()
  const silent = await silentHost()
  const many = images(silent.host, 721)
  const ofA = ['1', '2', '3'].map(name =>
    cacheOf(name, many, {}, { status: 'Succeeded' }, { namespace: 'a' }),
  )
  const ofB = cacheOf('b', images(good.host, 3), {}, { status: 'Succeeded' }, { namespace: 'b' })
  const { made, pass, look } = await refresherOf([good.host, silent.host], [...ofA, ofB])
  const keys = ['a/1', 'a/2', 'a/3', 'b/b']
  for (const key of keys) await look(key)
  pass(2_000)
  const began = performance.now()
  const [first, second, third, other] = keys.map(key => look(key))
  // The namespace has two turns. Its third cache waits, and the other namespace does not.
  expect((await third)?.requeueAfterMs).toBeLessThanOrEqual(500)
  await other
  expect(made.refreshes.size).toBe(3)
  await Promise.all([first, second])
  expect(performance.now() - began).toBeLessThan(30_000)
  expect(silent.sockets.length).toBeLessThan(100)
})

it('asks again soon after a hiccup of a registry, and makes no node pull', async () => {
  const { host, state } = await registry()
  const cache = cacheOf('cache', images(host, 2), {}, { status: 'Succeeded' })
  const { made, pass, look } = await refresherOf([host], [cache])
  await look('team/cache')
  pass(2_000)
  await look('team/cache')
  const before = new Map(made.refreshes)
  expect([...before.values()].map(({ digest }) => digest)).toEqual(Array(2).fill(`sha256:${'a'.repeat(64)}`))
  state.status = 503
  pass(5_000)
  await look('team/cache')
  expect(new Map(made.refreshes)).toEqual(before)
  state.status = 200
  pass(60_000)
  await look('team/cache')
  expect(new Map(made.refreshes)).not.toEqual(before)
})
