import { afterEach, describe, expect, it } from 'vitest'
import { cacheOf } from '../../../test/builders/image-cache.ts'
import { desiredOf, entryOf, nodeImagesOf } from '../../../test/builders/node-images.ts'
import { nodeWith } from '../../../test/builders/node.ts'
import { at } from '../../../test/builders/time.ts'
import type { ImageCacheStatus } from '../../api/image-cache.ts'
import { turnOf } from '../../core/status/index.ts'
import { silentLogger } from '../../kube/index.ts'
import { ClusterState } from '../../state/cluster-state.ts'
import { apiServer } from '../../state/testing.ts'
import { CacheCounts } from './cache-counts.ts'

const IMAGE = 'registry.test/app:1'
const WARMING: ImageCacheStatus = {
  status: 'Processing',
  reason: 'ImageCacheCreate',
  startTime: at(0),
  observedGeneration: 1,
}

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A cluster with one cache and so many nodes, of which none has the image. */
async function clusterOf(count: number) {
  const { client, close } = await apiServer(() => ({ status: 404, body: {} }))
  closers.push(close)
  const cluster = new ClusterState(client, { defaultPolicy: 'IfNotPresent', log: silentLogger })
  const nodes = Array.from({ length: count }, (_, index) => nodeWith(`n${index}`, { madeAt: at(-60) }))
  for (const node of nodes) cluster.nodeInformer.upsert(node)
  const object = cacheOf('cache', [IMAGE], {}, WARMING)
  cluster.cacheInformer.upsert(object)
  const counts = new CacheCounts(cluster)
  const turn = () => {
    const cache = cluster.compiled('team/cache')
    if (!cache) throw new Error('the cache is gone')
    return turnOf(cache, at(1))
  }
  const { signal } = new AbortController()
  const compiled = turn().cache
  return {
    cluster,
    nodes,
    awaited: () => counts.awaited(turn(), signal),
    observe: () => counts.observation(turn(), signal),
    /** The ledger of a node shows the image. */
    pulled: (index: number) => {
      const node = nodes[index]
      if (!node) throw new Error(`no node ${index}`)
      const { metadata, ...rest } = nodeImagesOf(node, { images: desiredOf([IMAGE], compiled) }, [
        entryOf(IMAGE),
      ])
      cluster.nodeImagesInformer.upsert({
        ...rest,
        metadata: { ...metadata, uid: `ledger-${index}`, resourceVersion: '1' },
      })
    },
  }
}

describe('the counts of caches', () => {
  it('follow each change of a node or a ledger', async () => {
    const { cluster, nodes, awaited, observe, pulled } = await clusterOf(3)
    expect(await awaited()).toBe(3)
    pulled(0)
    pulled(1)
    expect(await awaited()).toBe(1)
    const [first = nodeWith('n0', {})] = nodes
    cluster.nodeInformer.upsert({
      ...first,
      unschedulable: true,
      metadata: { ...first.metadata, resourceVersion: '2' },
    })
    expect(await observe()).toMatchObject({ nodes: { desired: 2, ready: 1, skipped: 1 }, matched: 3 })
  })

  it('miss no change that comes while many nodes are counted, and do not hold up others', async () => {
    const { awaited, pulled } = await clusterOf(20_000)
    let turns = 0
    const timer = setInterval(() => {
      pulled(turns)
      pulled(19_999 - turns)
      turns += 1
    }, 1)
    const during = await awaited()
    clearInterval(timer)
    expect(turns).toBeGreaterThan(1)
    expect(during).toBe(20_000 - 2 * turns)
    pulled(10_000)
    expect(await awaited()).toBe(19_999 - 2 * turns)
  })

  it('begin anew with another action', async () => {
    const { cluster, observe } = await clusterOf(2)
    expect((await observe()).awaited).toBe(2)
    const later = { ...WARMING, startTime: at(-120) }
    cluster.cacheInformer.upsert(cacheOf('cache', [IMAGE], {}, later, { resourceVersion: '2' }))
    expect(await observe()).toMatchObject({ awaited: 0, unsettled: 2 })
  })
})
