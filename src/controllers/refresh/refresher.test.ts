import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { cacheOf } from '../../../test/builders/image-cache.ts'
import { makeEngine } from '../../engines/jobs/testing-engine.ts'
import { silentLogger } from '../../kube/index.ts'
import { Refresher } from './refresher.ts'
import { apiServer } from '../../state/testing.ts'

const MINUTE = 60_000

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-03-01T12:00:00.000Z') })
})
const closers: (() => void)[] = []
afterEach(() => {
  vi.useRealTimers()
  for (const close of closers.splice(0)) close()
})

/** A refresher of one cache, whose image only nodes may ask for. */
async function refresher(ledBeforeAt?: string) {
  const { client, close } = await apiServer(() => ({ status: 404, body: {} }))
  const { cluster, tags, close: closeRegistry } = makeEngine(client)
  closers.push(close, closeRegistry)
  let version = 0
  const put = (status: string) => {
    const spec = { imagePullSecrets: [{ name: 'pull' }], refresh: { schedule: '30 12 * * *' } }
    version += 1
    const metadata = { resourceVersion: String(version) }
    cluster.cacheInformer.upsert(cacheOf('cache', ['registry.test/app:latest'], spec, { status }, metadata))
  }
  const made = new Refresher({
    cluster,
    tags,
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

  it('makes up for a refresh that came due while an action ran for the cache', async () => {
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

  it('makes up once, within a minute, for a refresh that came due while no process led', async () => {
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

  it.each<{ name: string; ledBeforeAt: string | undefined; status: string }>([
    {
      name: 'another process led at that time',
      ledBeforeAt: '2026-03-01T11:59:00.000Z',
      status: 'Succeeded',
    },
    { name: 'nothing was ever done for the cache', ledBeforeAt: '2026-02-28T12:20:00.000Z', status: '' },
    { name: 'it is not known who led', ledBeforeAt: undefined, status: 'Succeeded' },
  ])('makes up for nothing where $name', async ({ ledBeforeAt, status }) => {
    const { put, made, look } = await refresher(ledBeforeAt)
    put(status)
    await look()
    vi.setSystemTime(Date.now() + 2 * MINUTE)
    await look()
    expect(made.refreshes.size).toBe(0)
  })
})
