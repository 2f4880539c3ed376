import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type KubeClient, type Resource, runWithLeaderElection, WorkQueue } from '../../../src/kube/index.ts'
import { LEASES, type Lease } from '../../../src/kube/lease.ts'
import { eventually, staysTrue } from '../../harness/eventually.ts'
import { TcpProxy } from '../../harness/tcp-proxy.ts'
import { sharedApiServer } from '../shared-api-server.ts'
import {
  type ConfigMap,
  codeOf,
  configMap,
  connect,
  kubeErrorOf,
  newNamespace,
  startFront,
} from './fixture.ts'
import { SHORT, startCandidate } from './in-process-candidate.ts'

const TIMES = { leaseDurationMs: 3000, renewDeadlineMs: 2000, retryPeriodMs: 500 }

/** Keeps this thread busy. */
function burn(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

/** Leads until the end of the test. Resolves when elected, to the signal of the leader's work. */
async function lead(client: KubeClient, namespace: string, times = TIMES): Promise<AbortSignal> {
  const stop = new AbortController()
  const elected = Promise.withResolvers<AbortSignal>()
  const run = runWithLeaderElection({
    ...times,
    client,
    namespace,
    name: 'controller',
    identity: 'a',
    signal: stop.signal,
    lead: async signal => {
      elected.resolve(signal)
      if (!signal.aborted) await once(signal, 'abort')
    },
    onLost: () => stop.abort(),
  })
  onTestFinished(() => {
    stop.abort()
    return run
  })
  return elected.promise
}

async function steal(leases: Resource<Lease>, namespace: string): Promise<void> {
  const spec = { holderIdentity: 'thief', renewTime: new Date().toISOString().replace('Z', '000Z') }
  await leases.mergePatch({ namespace, name: 'controller' }, { spec })
}

describe('a leader with more work than time', () => {
  it('keeps the lease while handlers compute, requests wait in line and connections are used up', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    const client = connect({ qps: 300, burst: 300 })
    // Twice the other times: the test itself opens hundreds of connections at once.
    const times = { leaseDurationMs: 6000, renewDeadlineMs: 4000, retryPeriodMs: 1000 }
    const leading = await lead(client, namespace, times)

    const flood = new AbortController()
    const { signal } = flood
    onTestFinished(() => flood.abort())
    const resource = client.resource<ConfigMap>(configMaps.def)
    // More than the client has connections for.
    let open = 0
    const watches = Array.from({ length: 300 }, async () => {
      const watch = resource.watch({ namespace, signal, sendInitialEvents: true })
      await watch.next()
      open++
      return watch.next()
    })
    await eventually('the watches', async () => open >= 250)
    const requests = Array.from({ length: 5000 }, (_, i) =>
      resource.get({ namespace, name: `none-${i}`, signal }),
    )
    const answered = Promise.allSettled([...watches, ...requests])
    const { update } = client.requestCount

    const done = new AbortController()
    let left = 450
    const queues = Array.from({ length: 3 }, () => new WorkQueue<string>())
    const startedAt = performance.now()
    await Promise.all(
      queues.map(queue => {
        for (let i = 0; i < 150; i++) queue.add(`key-${i}`)
        return queue.run({
          workers: 16,
          signal: AbortSignal.any([done.signal, leading]),
          handler: async () => {
            burn(30)
            if (--left === 0) done.abort()
          },
        })
      }),
    )
    expect(left).toBe(0)
    expect(performance.now() - startedAt, 'the test is no test').toBeGreaterThan(2 * times.leaseDurationMs)
    expect(leading.aborted).toBe(false)
    flood.abort()
    await answered
    expect(client.requestCount.update - update, 'renewals').toBeGreaterThan(5)
  })

  it('keeps the lease when one renewal gets no answer', async () => {
    const { namespace } = await newNamespace(connect())
    await using proxy = await TcpProxy.start(Number(new URL(sharedApiServer().url).port))
    const client = connect({ server: `https://127.0.0.1:${proxy.port}` })
    // The proportions of the default times.
    const times = { leaseDurationMs: 5000, renewDeadlineMs: 3500, retryPeriodMs: 1000 }
    const leading = await lead(client, namespace, times)
    const { update } = client.requestCount
    await eventually('a renewal', async () => client.requestCount.update > update)
    proxy.silence()
    await staysTrue(() => expect(leading.aborted).toBe(false), { forMs: 6000 })
  })
})

describe('a leader that lost its lease', () => {
  it('writes nothing more, not even in handlers that ignore their signal', async () => {
    const admin = connect()
    const { namespace, configMaps } = await newNamespace(admin)
    const front = await startFront()
    const client = connect({ server: front.url })
    const leading = await lead(client, namespace)
    let lostAt = Number.POSITIVE_INFINITY
    leading.addEventListener('abort', () => (lostAt = performance.now()))
    const errors: unknown[] = []
    const queue = new WorkQueue<string>()
    const writing = client.resource<ConfigMap>(configMaps.def)
    const run = queue.run({
      workers: 8,
      signal: leading,
      handler: async key => {
        await configMaps.create(configMap(namespace, key))
        for (let i = 0; ; i++) await writing.mergePatch({ namespace, name: key }, { data: { value: `${i}` } })
      },
      onError: (_, error) => errors.push(error),
    })
    for (let i = 0; i < 8; i++) queue.add(`c-${i}`)
    await eventually('some writes', async () => client.requestCount.patch > 100)
    await steal(admin.resource<Lease>(LEASES), namespace)
    await run
    expect(performance.now() - lostAt, 'the handlers were cut off at once').toBeLessThan(500)
    expect(errors).toHaveLength(8)
    for (const error of errors) expect(error).toMatchObject({ code: 'LeaseLost', name: 'KubeError' })
    expect(leading.reason).toMatchObject({ code: 'LeaseLost' })

    // What was under way in the API server at that moment may still end there.
    await new Promise(resolve => setTimeout(resolve, 500))
    const { resourceVersion } = await configMaps.list({ namespace })
    expect(await codeOf(writing.create(configMap(namespace, 'late')))).toBe('LeaseLost')
    expect(await codeOf(writing.delete({ namespace, name: 'c-1' }))).toBe('LeaseLost')
    expect((await writing.get({ namespace, name: 'c-1' })).metadata.name, 'it may read').toBe('c-1')
    const { items } = await configMaps.list({ namespace })
    expect(items).toHaveLength(8)
    const versions = items.map(({ metadata }) => Number(metadata.resourceVersion))
    expect(Math.max(...versions)).toBeLessThanOrEqual(Number(resourceVersion))
    const late = front.seen.filter(({ method, path, at }) => {
      return method !== 'GET' && !path.includes('/leases/') && at > lostAt + 100
    })
    expect(late).toEqual([])
  })

  it('cuts off the writes that are under way', async () => {
    const admin = connect()
    const { namespace, configMaps } = await newNamespace(admin)
    const front = await startFront()
    front.rule = ({ method, path }) =>
      method === 'POST' && path.endsWith('/configmaps') ? { status: 200, body: '{', open: true } : undefined
    const client = connect({ server: front.url })
    await lead(client, namespace)
    const write = kubeErrorOf(client.resource<ConfigMap>(configMaps.def).create(configMap(namespace, 'a')))
    await eventually('the write', async () => front.seen.some(({ method }) => method === 'POST'))
    await steal(admin.resource<Lease>(LEASES), namespace)
    const stolenAt = performance.now()
    expect((await write).code).toBe('LeaseLost')
    expect(performance.now() - stolenAt).toBeLessThan(TIMES.leaseDurationMs)
  })

  it('knows it by its own clock after a pause, before any timer fires', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    const client = connect()
    const leading = await lead(client, namespace)
    burn(TIMES.renewDeadlineMs + 200)
    // The timers of this process are late, and the lease is about to be taken by others.
    const error = await kubeErrorOf(
      client.resource<ConfigMap>(configMaps.def).create(configMap(namespace, 'late')),
    )
    expect(error.message).toMatch(/^this process no longer leads, so it may not write \(create \/api/)
    expect(leading.aborted).toBe(true)
    expect((await configMaps.list({ namespace })).items).toEqual([])
  })

  it('may write again when it is elected again', async () => {
    const admin = connect()
    const { namespace, configMaps } = await newNamespace(admin)
    const client = connect()
    const a = startCandidate(client, { namespace, name: 'controller', identity: 'a', ...SHORT })
    await eventually('a to be elected', async () => a.leading())
    await steal(admin.resource<Lease>(LEASES), namespace)
    await eventually('the loss', async () => a.history.includes('lost'))
    const late = client.resource<ConfigMap>(configMaps.def).create(configMap(namespace, 'late'))
    expect(await codeOf(late)).toBe('LeaseLost')
    await eventually('a to be elected again', async () => a.leading())
    await client.resource<ConfigMap>(configMaps.def).create(configMap(namespace, 'again'))
  })
})
