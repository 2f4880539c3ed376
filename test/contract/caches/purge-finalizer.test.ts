import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PURGE_FINALIZER } from '../../../src/api/constants.ts'
import { imageCacheCrd, nodeImagesCrd } from '../../../src/api/crd.ts'
import type { ImageCache } from '../../../src/api/image-cache.ts'
import type { NodeImages } from '../../../src/api/node-images.ts'
import { CacheCounts } from '../../../src/controllers/caches/cache-counts.ts'
import { CacheReconciler } from '../../../src/controllers/caches/cache-reconciler.ts'
import { NodeImagesWriter } from '../../../src/controllers/nodes/node-images-writer.ts'
import { NodeReconciler } from '../../../src/controllers/nodes/node-reconciler.ts'
import { WaitLog } from '../../../src/controllers/nodes/wait-log.ts'
import { shortHash } from '../../../src/core/demand/index.ts'
import type { RawNode } from '../../../src/core/node/index.ts'
import { makeEngine } from '../../../src/engines/jobs/testing-engine.ts'
import {
  EventRecorder,
  InformerSet,
  KubeClient,
  isKubeError,
  loadConfig,
  silentLogger,
} from '../../../src/kube/index.ts'
import { REMOVAL_SETTINGS } from '../../builders/removal-job.ts'
import { RetryCalls } from '../../../src/state/retry-calls.ts'
import { ApiServer } from '../../harness/api-server.ts'
import { binary } from '../../harness/binaries.ts'
import { run } from '../../harness/command.ts'
import { NODES } from '../kube/fixture.ts'

const NODE_COUNT = 200
/** Writes of NodeImages per second. Far fewer than nodes, so that the plans are not all written at once. */
const WRITES_PER_SECOND = 50
const IMAGE = 'r.io/app:1'
const OURS = { group: 'kubefledged.io', version: 'v1alpha2' } as const

let server: ApiServer

beforeAll(async () => {
  server = await ApiServer.start()
  const kubectl = (args: readonly string[], input = '') =>
    run([binary('kubectl'), '--kubeconfig', server.kubeconfig, ...args], { input })
  for (const crd of [imageCacheCrd, nodeImagesCrd]) {
    await kubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(crd))
    await kubectl(['wait', `crd/${crd.metadata.name}`, '--for=condition=Established', '--timeout=30s'])
  }
})
afterAll(() => server.stop())

/**
 * A namespace that is being deleted, with a cache whose image all nodes hold. Every third node is cordoned.
 */
async function deletedCache(client: KubeClient) {
  const namespace = `finalizer-${randomBytes(4).toString('hex')}`
  const namespaces = client.resource({
    group: '',
    version: 'v1',
    plural: 'namespaces',
    kind: 'Namespace',
    namespaced: false,
  })
  const caches = client.resource<ImageCache>({
    ...OURS,
    plural: 'imagecaches',
    kind: 'ImageCache',
    namespaced: true,
  })
  const nodeImages = client.resource<NodeImages>({
    ...OURS,
    plural: 'nodeimages',
    kind: 'NodeImages',
    namespaced: false,
  })
  await namespaces.create({ metadata: { name: namespace } })
  const address = { name: 'cache', namespace }
  const { metadata } = await caches.create({
    metadata: { ...address, finalizers: [PURGE_FINALIZER] },
    spec: { cacheSpec: [{ images: [IMAGE] }], deletionPolicy: 'Purge' },
  })
  const owner = shortHash(metadata.uid ?? '')
  const indexes = Array.from({ length: NODE_COUNT }, (_, index) => index)
  await inParallel(indexes, async index => {
    const name = `node-${index}`
    const nodes = client.resource<RawNode>(NODES)
    const ready = [{ type: 'Ready', status: 'True', lastHeartbeatTime: new Date().toISOString() }]
    const nodeInfo = {
      operatingSystem: 'linux',
      machineID: name,
      kubeletVersion: 'v1.36.0',
      containerRuntimeVersion: 'containerd://2.3.0',
    }
    const status = { conditions: ready, nodeInfo }
    const node = await nodes.create({
      metadata: { name },
      spec: { unschedulable: index % 3 === 0 },
    })
    await nodes.mergePatch({ name }, { status }, { subresource: 'status' })
    const uid = node.metadata.uid ?? ''
    await nodeImages.create({
      apiVersion: 'kubefledged.io/v1alpha2',
      kind: 'NodeImages',
      metadata: { name, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid }] },
      spec: {
        revision: 1,
        owners: { [owner]: { cache: `${namespace}/cache`, generation: 1 } },
        images: [{ image: IMAGE, pullPolicy: 'IfNotPresent', revision: 1, owners: [owner] }],
      },
      status: {
        nodeUid: uid,
        machineId: name,
        images: [
          {
            image: IMAGE,
            presence: { state: 'Present', since: new Date().toISOString(), by: 'Job', revision: 1 },
            owners: [owner],
            pulledByUs: true,
          },
        ],
      },
    })
  })
  await caches.delete(address)
  await namespaces.delete({ name: namespace })
  return { caches, nodeImages, owner, address }
}

describe('the deletion of a cache with the policy Purge, in a namespace that is being deleted', () => {
  it('waits until each of 200 nodes has the removal in its plan, cordoned or not', async () => {
    const client = new KubeClient(loadConfig({ kubeconfig: server.kubeconfig }), { qps: 1000, burst: 1000 })
    const { caches, nodeImages, owner, address } = await deletedCache(client)
    const stop = new AbortController()
    const parts = makeEngine(client, { removals: { ...REMOVAL_SETTINGS, namespace: 'default' }, maxJobs: 1 })
    const { cluster, engine, breaker } = parts
    const set = new InformerSet([...cluster.informers, ...parts.state.informers])
    const counts = new CacheCounts(cluster)
    const watching = set.run(stop.signal)
    await set.waitForSync(stop.signal)
    const nodes = new NodeReconciler({
      cluster,
      engine,
      writer: new NodeImagesWriter(cluster, WRITES_PER_SECOND),
      breaker,
      isPulledElsewhere: () => false,
      refreshes: new Map(),
      tagAnswers: () => new Map(),
      retryCalls: new RetryCalls(),
      recheckIntervalMs: 0,
      waits: new WaitLog(silentLogger),
      log: silentLogger,
    })
    const cacheReconciler = new CacheReconciler({
      cluster,
      counts,
      events: new EventRecorder(client, { component: 'test', log: silentLogger }),
      purgeDeadlineMs: 600_000,
      log: silentLogger,
    })
    const reconcileCache = async () => {
      const key = `${address.namespace}/${address.name}`
      await ignoring(cacheReconciler.reconcile(key, stop.signal), 'Conflict', 'NotFound')
    }
    const isThere = async () => {
      const found = await caches.list({ namespace: address.namespace })
      return found.items.length > 0
    }
    // A controller that has just begun: no plan follows the purge yet.
    for (let look = 0; look < 8; look++) {
      await reconcileCache()
      await delay(400)
    }
    expect(await isThere()).toBe(true)

    const deadline = Date.now() + 60_000
    while ((await isThere()) && Date.now() < deadline) {
      await inParallel([...Array(NODE_COUNT).keys()], async index => {
        await ignoring(nodes.reconcile(`node-${index}`, stop.signal), 'Conflict')
      })
      await reconcileCache()
      await delay(50)
    }
    expect(await isThere()).toBe(false)
    const { items } = await nodeImages.list({})
    const without = items.filter(
      ({ spec }) => !spec?.remove?.some(({ image, owners }) => image === IMAGE && owners.includes(owner)),
    )
    expect(without.map(({ metadata }) => metadata.name)).toEqual([])
    expect(items).toHaveLength(NODE_COUNT)
    stop.abort()
    await watching
    parts.close()
    client.close()
  })
})

async function inParallel<T>(items: readonly T[], task: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  const work = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await task(item)
  }
  await Promise.all(Array.from({ length: 8 }, work))
}

async function ignoring(request: Promise<unknown>, ...codes: ('Conflict' | 'NotFound')[]): Promise<void> {
  try {
    await request
  } catch (error) {
    if (!isKubeError(error, ...codes)) throw error
  }
}
