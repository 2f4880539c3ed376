import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { InformerSet, WorkQueue, silentLogger } from '../kube/index.ts'
import { livenessProblem } from './liveness.ts'
import { apiServer } from '../state/testing.ts'
import { ClusterState } from '../state/cluster-state.ts'

const MINUTE = 60_000

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
})
const closers: (() => void)[] = []
afterEach(() => {
  vi.useRealTimers()
  for (const close of closers.splice(0)) close()
})

async function emptyCluster(): Promise<ClusterState> {
  const { client, close } = await apiServer(() => ({ status: 404, body: {} }))
  closers.push(close)
  return new ClusterState(client, {
    defaultPolicy: 'IfNotPresent',
    log: silentLogger,
  })
}

it('finds an informer that shows no sign of life, and does not blame an API server that is away', async () => {
  const cluster = await emptyCluster()
  const informers = new InformerSet(cluster.informers)
  expect(livenessProblem(informers.members, {})).toBeUndefined()
  vi.advanceTimersByTime(31 * MINUTE)
  expect(livenessProblem(informers.members, {})).toBe('the watch of nodes has been silent for 31 minutes')
  const stop = new AbortController()
  const running = informers.run(stop.signal)
  expect(livenessProblem(informers.members, {})).toBeUndefined()
  stop.abort()
  await running
})

it('finds a worker that never comes back', async () => {
  const queue = new WorkQueue<string>()
  const stop = new AbortController()
  const { promise, resolve } = Promise.withResolvers<undefined>()
  queue.add('node')
  const running = queue.run({ workers: 1, handler: () => promise, signal: stop.signal })
  expect(livenessProblem([], { nodes: queue })).toBeUndefined()
  vi.advanceTimersByTime(31 * MINUTE)
  expect(livenessProblem([], { nodes: queue })).toBe(
    'a worker of the queue "nodes" has been busy for 31 minutes',
  )
  stop.abort()
  resolve(undefined)
  await running
  expect(livenessProblem([], { nodes: queue })).toBeUndefined()
})
