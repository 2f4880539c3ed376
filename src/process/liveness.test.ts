import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { WorkQueue, silentLogger } from '../kube/index.ts'
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

async function emptyWorld(): Promise<ClusterState> {
  const { client, close } = await apiServer(() => ({ status: 404, body: {} }))
  closers.push(close)
  return new ClusterState(client, {
    namespace: 'kube-fledged',
    defaultPolicy: 'IfNotPresent',
    log: silentLogger,
  })
}

it('finds an informer without a sign of life, and takes an API server that is away for no fault of ours', async () => {
  const world = await emptyWorld()
  expect(livenessProblem(world.informers, {})).toBeUndefined()
  vi.advanceTimersByTime(31 * MINUTE)
  expect(livenessProblem(world.informers, {})).toBe('the watch of nodes has been silent for 31 minutes')
  const stop = new AbortController()
  const running = world.run(stop.signal)
  expect(livenessProblem(world.informers, {})).toBeUndefined()
  stop.abort()
  await running
})

it('finds a worker that does not come back', async () => {
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
