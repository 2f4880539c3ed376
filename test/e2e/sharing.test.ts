import { describe, expect } from 'vitest'
import { uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import { createCache, createNamespace, deleteNamespace, waitForStatus } from '../harness/image-caches.ts'
import { waitUntilNothingPulls } from '../harness/pull-pods.ts'
import { cluster, test as base } from './fixtures.ts'

/** A second namespace. */
// oxlint-disable-next-line no-empty-pattern -- vitest reads the needed fixtures from the pattern
const test = base.extend('otherNamespace', async ({}, { onCleanup }) => {
  const name = await createNamespace(cluster, 'e2e-other')
  onCleanup(() => deleteNamespace(cluster, name))
  return name
})

describe.skipIf(!cluster.isLocal)('many caches and many images (needs the insides of nodes)', () => {
  test('two caches of the same name in two namespaces share an image without another pull', async ({
    namespace,
    otherNamespace,
    faulty,
  }) => {
    const repository = `${namespace}/shared`
    const shared = `faulty.test.local/${repository}:1`
    await pushImage(faulty.store, `${repository}:1`)
    const own = `${uniqueName('own')}:1`
    await pushImage(cluster.openRegistry(), own)
    const name = uniqueName('same-name')
    const nodes = await cluster.nodes()
    const first = await createCache(cluster, namespace, { cacheSpec: [{ images: [shared] }] }, { name })
    await waitForStatus(cluster, first, 'Succeeded')
    const requests = faulty.requests(repository).length
    expect(requests).toBeGreaterThan(0)

    const images = [shared, `registry.test.local/${own}`]
    const second = await createCache(cluster, otherNamespace, { cacheSpec: [{ images }] }, { name })
    const { status } = await waitForStatus(cluster, second, 'Succeeded')
    expect(status?.summary).toEqual({ images: '2/2', nodes: `${nodes.length}/${nodes.length}` })
    expect(faulty.requests(repository)).toHaveLength(requests)
    for (const node of nodes) {
      expect([...(await cluster.runtimeImages(node))]).toEqual(expect.arrayContaining(images))
    }

    await cluster.kubectl(['-n', namespace, 'delete', 'imagecache', name])
    const later = await waitForStatus(cluster, second, 'Succeeded')
    expect(later.status?.summary).toEqual(status?.summary)
  })

  test('200 images in one cache', async ({ namespace }) => {
    const prefix = uniqueName('many')
    const targets = Array.from({ length: 200 }, (_, index) => `${prefix}/app-${index}:1`)
    const registry = cluster.openRegistry()
    for (const target of targets) await pushImage(registry, target, { sizeBytes: 64 })
    registry.close()
    const images = targets.map(target => `registry.test.local/${target}`)
    const nodes = await cluster.nodes()
    const began = Date.now()
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images }] })
    const { status } = await waitForStatus(cluster, address, 'Succeeded', {
      everyMs: 1000,
      timeoutMs: 200_000,
    })
    const seconds = (Date.now() - began) / 1000
    console.log(`200 images on ${nodes.length} nodes: Succeeded after ${seconds.toFixed(0)} s`)
    expect(status?.summary).toEqual({ images: '200/200', nodes: `${nodes.length}/${nodes.length}` })
    expect((status?.images?.length ?? 0) + (status?.moreImages ?? 0)).toBe(200)
    for (const node of nodes) {
      const listed = await cluster.runtimeImages(node)
      expect(images.filter(image => !listed.has(image))).toEqual([])
    }
    await waitUntilNothingPulls(cluster, namespace)
  })
})
