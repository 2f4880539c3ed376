import { afterEach, describe, expect, it } from 'vitest'
import { cacheOf, compiledOf } from '../../test/builders/image-cache.ts'
import { desiredOf, entryOf, nodeImagesOf as unwritten } from '../../test/builders/node-images.ts'
import { nodeWith } from '../../test/builders/node.ts'
import { at } from '../../test/builders/time.ts'
import type { ImageCache } from '../api/image-cache.ts'
import type { NodeImagesSpec } from '../api/node-images.ts'
import type { KubeObject } from '../api/object.ts'
import type { CompiledCache } from '../core/demand/index.ts'
import { makeEngine } from '../engines/jobs/testing-engine.ts'
import { WorkQueue } from '../kube/index.ts'
import { apiServer } from '../state/testing.ts'
import { enqueueOnChange } from './enqueue-on-change.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** Takes all keys out of a queue. */
async function drain(queue: WorkQueue<string>): Promise<string[]> {
  const keys: string[] = []
  const stop = new AbortController()
  if (queue.size === 0) return keys
  const handler = (key: string) => {
    keys.push(key)
    if (queue.size === 0) stop.abort()
    return Promise.resolve()
  }
  await queue.run({ workers: 1, handler, signal: stop.signal })
  return keys.toSorted()
}

/** A cluster with three nodes: two of the pool `a`, one of the pool `b`. Its queues are empty. */
async function threeNodes(...caches: ImageCache[]) {
  const { client, close } = await apiServer(() => ({ status: 404, body: {} }))
  const { cluster, state, slots, breaker, close: closeEngine } = makeEngine(client)
  closers.push(close, closeEngine)
  const queue = () => new WorkQueue<string>()
  const queues = {
    nodes: queue(),
    caches: queue(),
    refreshes: queue(),
    healing: queue(),
    oldJobs: queue(),
  }
  enqueueOnChange({ cluster, jobs: state, slots, breaker, queues })
  for (const cache of caches) cluster.cacheInformer.upsert(cache)
  for (const node of [nodeIn('a1', 'a'), nodeIn('a2', 'a'), nodeIn('b1', 'b')]) {
    cluster.nodeInformer.upsert(node)
  }
  const emptied = async () => {
    const [nodes, keys] = [await drain(queues.nodes), await drain(queues.caches)]
    return { nodes, caches: keys }
  }
  await emptied()
  return { cluster, emptied }
}

let version = 1
/** The object after one more write. */
function written<T extends KubeObject>(object: T): T {
  version += 1
  return { ...object, metadata: { ...object.metadata, resourceVersion: `${version}` } }
}

const nodeIn = (name: string, pool: string, options: { readonly ready?: boolean } = {}) =>
  written(nodeWith(name, { labels: { pool }, ...options }))

const nodeImagesOf = (...object: Parameters<typeof unwritten>) => written(unwritten(...object))

/** A cache with an image for a pool. */
function cacheFor(
  name: string,
  pool: string,
  generation = 1,
  metadata: Partial<ImageCache['metadata']> = {},
) {
  const cacheSpec = [{ images: ['r.test/x:1'], nodeSelector: { pool } }]
  return written(cacheOf(name, [], { cacheSpec }, {}, { generation, ...metadata }))
}

const planOf = (owner: CompiledCache): NodeImagesSpec => ({
  owners: { [owner.owner]: { cache: owner.key } },
  images: desiredOf(['r.test/x:1'], owner),
})

describe('a change of a cache', () => {
  it('enqueues the nodes that it selects', async () => {
    const { cluster, emptied } = await threeNodes()
    cluster.cacheInformer.upsert(cacheFor('c', 'a'))
    expect(await emptied()).toEqual({ nodes: ['a1', 'a2'], caches: ['team/c'] })
  })

  it('enqueues the nodes that it selected before', async () => {
    const { cluster, emptied } = await threeNodes(cacheFor('c', 'a'))
    cluster.cacheInformer.upsert(cacheFor('c', 'b', 2))
    expect(await emptied()).toEqual({ nodes: ['a1', 'a2', 'b1'], caches: ['team/c'] })
    cluster.cacheInformer.upsert(cacheFor('c', 'b', 3))
    expect(await emptied()).toEqual({ nodes: ['b1'], caches: ['team/c'] })
  })

  it('enqueues the nodes that have its images, and those that keep them without being asked', async () => {
    const { cluster, emptied } = await threeNodes(cacheFor('c', 'none'))
    const compiled = compiledOf('c', [])
    cluster.nodeImagesInformer.upsert(nodeImagesOf(nodeIn('a1', 'a'), planOf(compiled), []))
    const kept = [entryOf('r.test/x:1', { owners: [compiled.owner] })]
    cluster.nodeImagesInformer.upsert(nodeImagesOf(nodeIn('b1', 'b'), {}, kept))
    await emptied()
    cluster.cacheInformer.upsert(cacheFor('c', 'none', 2))
    expect(await emptied()).toEqual({ nodes: ['a1', 'b1'], caches: ['team/c'] })
  })

  it('enqueues no node where only its status changes', async () => {
    const { cluster, emptied } = await threeNodes(cacheFor('c', 'a'))
    cluster.cacheInformer.upsert({ ...cacheFor('c', 'a'), status: { status: 'Processing' } })
    expect(await emptied()).toEqual({ nodes: [], caches: ['team/c'] })
  })

  it('enqueues the caches of its namespace where that has too many lists', async () => {
    const cacheSpec = Array.from({ length: 200 }, (_, index) => ({
      images: ['r.test/x:1'],
      nodeSelector: { pool: `p${index}` },
    }))
    const large = (index: number, generation: number, lists = cacheSpec) => {
      const metadata = { creationTimestamp: at(index), generation }
      return written(cacheOf(`c${index}`, [], { cacheSpec: lists }, {}, metadata))
    }
    const { cluster, emptied } = await threeNodes(...[0, 1, 2, 3, 4].map(index => large(index, 1)))
    const last = cacheFor('last', 'a', 1, { creationTimestamp: at(9) })
    cluster.cacheInformer.upsert(last)
    await emptied()
    expect(cluster.compiled('team/last')?.lists[0]?.wanted).toEqual([])
    cluster.cacheInformer.upsert(large(0, 2, []))
    expect(cluster.compiled('team/last')?.lists[0]?.wanted).toHaveLength(1)
    const { nodes, caches } = await emptied()
    expect(nodes).toEqual(['a1', 'a2', 'b1'])
    expect(caches).toContain('team/last')
  })
})

describe('a change of a node', () => {
  it('enqueues the caches that select it, and those of its plan', async () => {
    const { cluster, emptied } = await threeNodes(
      cacheFor('in-a', 'a'),
      cacheFor('in-b', 'b'),
      cacheFor('gone', 'none'),
    )
    cluster.nodeImagesInformer.upsert(nodeImagesOf(nodeIn('b1', 'b'), planOf(compiledOf('gone', [])), []))
    await emptied()
    cluster.nodeInformer.upsert(nodeIn('b1', 'b', { ready: false }))
    expect(await emptied()).toEqual({ nodes: ['b1'], caches: ['team/gone', 'team/in-b'] })
  })

  it('enqueues the caches that selected it before', async () => {
    const { cluster, emptied } = await threeNodes(cacheFor('in-a', 'a'), cacheFor('in-b', 'b'))
    cluster.nodeInformer.upsert(nodeIn('a1', 'b'))
    expect(await emptied()).toEqual({ nodes: ['a1'], caches: ['team/in-a', 'team/in-b'] })
  })
})

describe('a change of a NodeImages', () => {
  it('enqueues the caches that its plan names or named, and those that it has no room for', async () => {
    const [old, now, crowded] = ['old', 'now', 'crowded'].map(name => compiledOf(name, [])) as [
      CompiledCache,
      CompiledCache,
      CompiledCache,
    ]
    const { cluster, emptied } = await threeNodes(
      ...['old', 'now', 'crowded', 'other'].map(name => cacheFor(name, 'none')),
    )
    const node = nodeIn('a1', 'a')
    cluster.nodeImagesInformer.upsert(nodeImagesOf(node, planOf(old), []))
    await emptied()
    const next = { ...planOf(now), crowdedOut: [crowded.owner] }
    cluster.nodeImagesInformer.upsert(nodeImagesOf(node, next, []))
    expect(await emptied()).toEqual({
      nodes: ['a1'],
      caches: ['team/crowded', 'team/now', 'team/old'],
    })
  })
})
