import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Informer, KubeClient, type ResourceDef, WorkQueue, loadConfig } from '../kube/index.ts'
import { livenessProblem } from './liveness.ts'

const MINUTE = 60_000
const NODES: ResourceDef = { group: '', version: 'v1', plural: 'nodes', kind: 'Node', namespaced: false }

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

it('reports a watch without activity, but not an API server that does not answer', async () => {
  // Port 9 of this host refuses connections.
  const client = new KubeClient(loadConfig({ master: 'http://127.0.0.1:9' }))
  const nodes = new Informer(client.resource(NODES))
  expect(livenessProblem([nodes], {})).toBeUndefined()
  vi.advanceTimersByTime(31 * MINUTE)
  expect(livenessProblem([nodes], {})).toBe('the watch of nodes has been silent for 31 minutes')
  const stop = new AbortController()
  const running = nodes.run(stop.signal)
  expect(livenessProblem([nodes], {})).toBeUndefined()
  stop.abort()
  await running
  client.close()
})

it('does not report a handler that waits until its queue cuts it off', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
  const queue = new WorkQueue<string>()
  const stop = new AbortController()
  let starts = 0
  queue.add('node')
  const running = queue.run({
    workers: 1,
    signal: stop.signal,
    drainMs: 0,
    // A registry that gives no answer.
    handler: (_, signal) => {
      starts += 1
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      })
    },
  })
  for (let minute = 0; minute < 120; minute++) {
    await vi.advanceTimersByTimeAsync(MINUTE)
    await new Promise(setImmediate)
    expect(livenessProblem([], { nodes: queue })).toBeUndefined()
  }
  expect(starts).toBeGreaterThan(10)
  stop.abort()
  await vi.advanceTimersByTimeAsync(1)
  await running
})

it('reports a handler that ignores its signal for more than half an hour', async () => {
  const queue = new WorkQueue<string>()
  const stop = new AbortController()
  const { promise, resolve } = Promise.withResolvers<undefined>()
  queue.add('node')
  const running = queue.run({ workers: 1, handler: () => promise, signal: stop.signal })
  await new Promise(setImmediate)
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
