import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { cacheOf } from '../../engines/jobs/pull/testing.ts'
import { RegistryClient } from '../../oci/registry/index.ts'
import { silentLogger } from '../../kube/index.ts'
import { Refresher } from './refresher.ts'
import { TagResolver } from '../../state/tag-resolver.ts'
import { apiServer } from '../../state/testing.ts'
import { ClusterState } from '../../state/cluster-state.ts'

const MINUTE = 60_000

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-03-01T12:00:00.000Z') })
})
const closers: (() => void)[] = []
afterEach(() => {
  vi.useRealTimers()
  for (const close of closers.splice(0)) close()
})

/** A refresher of one cache, whose image only the nodes can ask for. */
async function refresher(ledBeforeAt?: string) {
  const { client, close } = await apiServer(() => ({ status: 404, body: {} }))
  const registry = new RegistryClient({ userAgent: 'test' })
  closers.push(close, () => registry.close())
  const cluster = new ClusterState(client, {
    namespace: 'kube-fledged',
    defaultPolicy: 'IfNotPresent',
    log: silentLogger,
  })
  let version = 0
  const put = (status: string) => {
    const spec = { imagePullSecrets: [{ name: 'pull' }], refresh: { schedule: '30 12 * * *' } }
    const cache = cacheOf('cache', ['registry.test/app:latest'], spec, { status })
    version += 1
    cluster.cacheInformer.upsert({
      ...cache,
      metadata: { ...cache.metadata, generation: 1, resourceVersion: String(version) },
    })
  }
  const made = new Refresher({
    cluster,
    questions: new TagResolver({
      registry,
      now: cluster.now,
      enqueue: () => {},
      wake: () => {},
      log: silentLogger,
    }),
    frequencyMs: 0,
    ...(ledBeforeAt !== undefined && { ledBeforeAt }),
    onNeed: () => {},
    log: silentLogger,
  })
  return { put, made, look: () => made.reconcile('team/cache', new AbortController().signal) }
}

describe('Refresher', () => {
  it('refreshes when the schedule comes due', async () => {
    const { put, made, look } = await refresher()
    put('Succeeded')
    await look()
    expect(made.refreshes.size).toBe(0)
    vi.setSystemTime(Date.now() + 31 * MINUTE)
    await look()
    expect([...made.refreshes.values()]).toEqual([{ at: new Date().toISOString() }])
  })

  it('makes up for what came due while something else was done for the cache', async () => {
    const { put, made, look } = await refresher()
    put('Processing')
    await look()
    vi.setSystemTime(Date.now() + 31 * MINUTE)
    const result = await look()
    expect(made.refreshes.size).toBe(0)
    expect(result?.requeueAfterMs).toBeLessThanOrEqual(MINUTE)
    vi.setSystemTime(Date.now() + MINUTE)
    put('Succeeded')
    await look()
    expect(made.refreshes.size).toBe(1)
  })

  it('makes up once, within a minute, for what came due while nobody led', async () => {
    const { put, made, look } = await refresher('2026-02-28T12:20:00.000Z')
    put('Succeeded')
    const first = await look()
    expect(made.refreshes.size).toBe(0)
    expect(first?.requeueAfterMs).toBeLessThanOrEqual(MINUTE)
    vi.setSystemTime(Date.now() + MINUTE)
    await look()
    expect([...made.refreshes.values()]).toEqual([{ at: new Date().toISOString() }])
    const asked = [...made.refreshes.values()]
    vi.setSystemTime(Date.now() + 10 * MINUTE)
    await look()
    expect([...made.refreshes.values()]).toEqual(asked)
  })

  it.each([
    ['somebody led at that time', '2026-03-01T11:59:00.000Z', 'Succeeded'],
    ['nobody has ever done anything for the cache', '2026-02-28T12:20:00.000Z', ''],
    ['it is not known who led', undefined, 'Succeeded'],
  ])('makes up for nothing where %s', async (_, ledBeforeAt, status) => {
    const { put, made, look } = await refresher(ledBeforeAt)
    put(status)
    await look()
    vi.setSystemTime(Date.now() + 2 * MINUTE)
    await look()
    expect(made.refreshes.size).toBe(0)
  })
})
