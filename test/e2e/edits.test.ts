import { describe, expect } from 'vitest'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import {
  createCache,
  getCache,
  getNodeImages,
  patchCache,
  waitForCache,
  waitForStatus,
} from '../harness/image-caches.ts'
import { podThatPulls, pullPods, pulledBy, waitUntilNothingPulls } from '../harness/pull-pods.ts'
import { cluster, test } from './fixtures.ts'

const nodes = await cluster.nodes()

async function freshImage(): Promise<string> {
  const target = `${uniqueName('edit')}:1`
  await pushImage(cluster.openRegistry(), target)
  return `registry.test.local/${target}`
}

/** Waits until the Jobs of all Pods that pull an image are gone. */
async function waitUntilJobsGo(namespace: string, image: string): Promise<void> {
  const pods = (await pullPods(cluster, namespace)).filter(pod => pulledBy(pod).includes(image))
  const old = pods.map(({ metadata }) => `job.batch/${metadata.labels['batch.kubernetes.io/job-name']}`)
  await eventually(`${old.join(' and ')} to be gone`, async () => {
    const jobs = (await cluster.kubectl(['-n', namespace, 'get', 'jobs', '-o', 'name'])).split('\n')
    return !old.some(job => jobs.includes(job))
  })
}

async function wantedOn(node: string): Promise<string[]> {
  return (await getNodeImages(cluster, node)).spec?.images?.map(({ image }) => image) ?? []
}

describe.skipIf(!cluster.isLocal)('edits while images are pulled (needs the local registries)', () => {
  test('what is added is pulled, what is removed is wanted no more and its Jobs go', async ({
    namespace,
    faulty,
  }) => {
    const endless = `faulty.test.local/hang/${namespace}:1`
    const added = await freshImage()
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [endless] }] })
    const pod = await podThatPulls(cluster, namespace, endless)
    await eventually('the node to ask for it', async () => faulty.attempts(`hang/${namespace}`) > 0)
    expect((await getCache(cluster, address)).status).toMatchObject({
      status: 'Processing',
      reason: 'ImageCacheCreate',
    })

    await patchCache(cluster, address, { spec: { cacheSpec: [{ images: [added] }] } })
    await waitUntilJobsGo(namespace, endless)
    // The Pod goes when its runtime gives up: a request that no answer has come to is not broken off.
    await faulty.stop()
    const { status, metadata } = await waitForStatus(cluster, address, 'Succeeded')
    expect(status).toMatchObject({
      reason: 'ImageCacheUpdate',
      observedGeneration: metadata.generation,
      images: [{ image: added }],
      summary: { images: '1/1', nodes: `${nodes.length}/${nodes.length}` },
    })
    expect(metadata.generation).toBe(2)
    for (const node of nodes) {
      expect([...(await cluster.runtimeImages(node))]).toContain(added)
      const wanted = await wantedOn(node)
      expect(wanted).toContain(added)
      expect(wanted).not.toContain(endless)
    }
    await waitUntilNothingPulls(cluster, namespace)
    expect(pod.metadata.labels['imagecache']).toBe(address.name)
  })

  test('a Job that still pulls something wanted goes on', async ({ namespace, faulty }) => {
    const repository = `slow/2000/${namespace}`
    const slow = `faulty.test.local/${repository}:1`
    await pushImage(faulty.store, `${repository}:1`)
    const dropped = await freshImage()
    const kept = await freshImage()
    const address = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [slow, dropped, kept] }],
    })
    await podThatPulls(cluster, namespace, slow)
    await patchCache(cluster, address, { spec: { cacheSpec: [{ images: [slow, kept] }] } })
    const { status } = await waitForStatus(cluster, address, 'Succeeded')
    expect(status?.images?.map(({ image }) => image)).toEqual([slow, kept])
    for (const node of nodes) {
      expect(await wantedOn(node)).not.toContain(dropped)
    }
    // Asked for once by every node: the edit has not made the Job begin anew.
    expect(faulty.attempts(repository)).toBeLessThanOrEqual(nodes.length)
    expect(faulty.downloads(repository)).toBe(nodes.length * 2)
  })

  test('a cache that is deleted takes its Jobs along and leaves the others alone', async ({
    namespace,
    faulty,
  }) => {
    const mine = await freshImage()
    const shared = await freshImage()
    const endless = `faulty.test.local/hang/${namespace}-gone:1`
    const staying = await createCache(cluster, namespace, { cacheSpec: [{ images: [mine, shared] }] })
    await waitForStatus(cluster, staying, 'Succeeded')
    const before = (await getCache(cluster, staying)).status
    const going = await createCache(cluster, namespace, { cacheSpec: [{ images: [endless, shared] }] })
    await podThatPulls(cluster, namespace, endless)

    await cluster.kubectl(['-n', namespace, 'delete', 'imagecache', going.name])
    await waitUntilJobsGo(namespace, endless)
    await faulty.stop()
    await waitUntilNothingPulls(cluster, namespace)
    for (const node of nodes) {
      await eventually(`${node} not to want it any more`, async () => {
        expect(await wantedOn(node)).not.toContain(endless)
        return true
      })
      expect(await wantedOn(node)).toEqual(expect.arrayContaining([mine, shared]))
    }
    // Digests may be told later, by the nodes' own lists.
    const { images: _, ...rest } = before ?? {}
    expect((await getCache(cluster, staying)).status).toMatchObject(rest)
    const next = await freshImage()
    const later = await createCache(cluster, namespace, { cacheSpec: [{ images: [next] }] })
    await waitForStatus(cluster, later, 'Succeeded')
  })

  test('an edit tries again what had failed', async ({ namespace }) => {
    const target = `${uniqueName('forgotten')}:1`
    const image = `registry.test.local/${target}`
    const other = await freshImage()
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [image] }] })
    await waitForStatus(cluster, address, 'Failed')
    await pushImage(cluster.openRegistry(), target)
    await patchCache(cluster, address, { spec: { cacheSpec: [{ images: [image, other] }] } })
    const { status } = await waitForStatus(cluster, address, 'Succeeded')
    expect(status).not.toHaveProperty('failures')
    await waitForCache(cluster, address, 'to be ready', cache => cache.status?.nodes?.ready === nodes.length)
  })
})
