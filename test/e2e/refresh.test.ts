import { describe, expect } from 'vitest'
import { CacheWatch } from '../harness/cache-watch.ts'
import { uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import { annotateRefresh, createCache, waitForCache, waitForStatus } from '../harness/image-caches.ts'
import { whileControllerIsAway } from './controller-args.ts'
import { cluster, test } from './fixtures.ts'

const ANNOTATION = 'kubefledged.io/refresh-imagecache'

/** What each node's runtime lists as the digest of an image. */
async function digests(image: string): Promise<(string | undefined)[]> {
  return Promise.all((await cluster.nodes()).map(node => cluster.runtimeDigest(node, image)))
}

describe.skipIf(!cluster.isLocal)('refresh by annotation (needs the insides of nodes)', () => {
  test('pulls what changed on every node, brings back what was removed, and takes the annotation off', {
    timeout: 360_000,
  }, async ({ namespace }) => {
    const repository = uniqueName('rolling')
    const fixed = `${uniqueName('fixed')}:1`
    const latest = `registry.test.local/${repository}:latest`
    const removed = `registry.test.local/${fixed}`
    const nodes = await cluster.nodes()
    const first = await pushImage(cluster.openRegistry(), `${repository}:latest`, { seed: 'first' })
    const { digest } = await pushImage(cluster.openRegistry(), fixed)
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [latest, removed] }] })
    const created = await waitForStatus(cluster, address, 'Succeeded')
    expect(await digests(latest)).toEqual(nodes.map(() => first.digest))

    const second = await pushImage(cluster.openRegistry(), `${repository}:latest`, { seed: 'second' })
    expect(second.digest).not.toBe(first.digest)
    for (const node of nodes) await cluster.removeImage(node, removed)
    expect(await digests(removed)).toEqual(nodes.map(() => undefined))

    await using watch = CacheWatch.start(cluster, namespace)
    await annotateRefresh(cluster, address)
    const { status, metadata } = await waitForStatus(cluster, address, 'Succeeded')
    expect(await digests(latest)).toEqual(nodes.map(() => second.digest))
    expect(await digests(removed)).toEqual(nodes.map(() => digest))
    expect(metadata.annotations ?? {}).not.toHaveProperty([ANNOTATION])
    expect(status).toMatchObject({
      reason: 'ImageCacheRefresh',
      message: 'All requested images pulled succesfully to respective nodes',
    })
    expect(Date.parse(status?.startTime ?? '')).toBeGreaterThan(Date.parse(created.status?.startTime ?? ''))
    const refreshing = watch.sightings.find(({ cache }) => cache.status?.status === 'Processing')
    expect(refreshing?.cache.status).toMatchObject({
      reason: 'ImageCacheRefresh',
      message: 'Image cache is being refreshed. Please view the status after some time',
    })
    expect(refreshing?.cache.metadata.annotations).toHaveProperty([ANNOTATION])
    // A node's list tells of it, which is believed once it is surely newer than the pull.
    await waitForCache(
      cluster,
      address,
      'to show the new digest',
      cache => Boolean(cache.status?.images?.some(each => each.digest === second.digest)),
      { timeoutMs: 200_000 },
    )
  })

  test('is done also where it was asked for while the controller was away', async ({ namespace }) => {
    const target = `${uniqueName('absent')}:1`
    const image = `registry.test.local/${target}`
    const { digest } = await pushImage(cluster.openRegistry(), target)
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [image] }] })
    await waitForStatus(cluster, address, 'Succeeded')
    const nodes = await cluster.nodes()
    await whileControllerIsAway(async () => {
      await annotateRefresh(cluster, address, 'any value')
      for (const node of nodes) await cluster.removeImage(node, image)
    })
    const { status, metadata } = await waitForStatus(cluster, address, 'Succeeded')
    expect(status?.reason).toBe('ImageCacheRefresh')
    expect(metadata.annotations ?? {}).not.toHaveProperty([ANNOTATION])
    expect(await digests(image)).toEqual(nodes.map(() => digest))
  })

  test('asks the registry for moving tags only', async ({ namespace, faulty }) => {
    const repositories = {
      latest: `${namespace}/latest`,
      untagged: `${namespace}/none`,
      fixed: `${namespace}/1`,
    }
    await pushImage(faulty.store, `${repositories.latest}:latest`)
    await pushImage(faulty.store, `${repositories.untagged}:latest`)
    const { digest } = await pushImage(faulty.store, `${repositories.fixed}:1`)
    const pinned = `faulty.test.local/${repositories.fixed}@${digest}`
    const images = [
      `faulty.test.local/${repositories.latest}:latest`,
      `faulty.test.local/${repositories.untagged}`,
      `faulty.test.local/${repositories.fixed}:1`,
      pinned,
    ]
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images }] })
    await waitForStatus(cluster, address, 'Succeeded')
    const nodes = await cluster.nodes()
    for (const node of nodes) {
      const listed = await cluster.runtimeImages(node)
      expect([...listed]).toEqual(
        expect.arrayContaining([images[0], `${images[1]}:latest`, images[2], pinned]),
      )
    }
    const count = () => ({
      latest: faulty.attempts(repositories.latest),
      untagged: faulty.attempts(repositories.untagged),
      fixed: faulty.requests(repositories.fixed).length,
      downloads: Object.values(repositories).map(repository => faulty.downloads(repository)),
    })
    const before = count()
    await annotateRefresh(cluster, address, 'x')
    await waitForStatus(cluster, address, 'Succeeded')
    const after = count()
    expect(after.latest).toBeGreaterThan(before.latest)
    expect(after.untagged).toBeGreaterThan(before.untagged)
    expect(after.fixed).toBe(before.fixed)
    expect(after.downloads).toEqual(before.downloads)
  })
})
