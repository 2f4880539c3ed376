import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import { createCache, waitForStatus } from '../harness/image-caches.ts'
import { waitUntilNothingPulls } from '../harness/pull-pods.ts'
import { cluster, test } from './fixtures.ts'

/** Longer than a batch of images takes, so that the kubelets go on pulling without an API server. */
const OUTAGE_MS = 5_000

describe.skipIf(!cluster.isLocal)('an API server that dies (needs the cluster of this machine)', () => {
  test('killed in the middle of a pull and started again: all is done without help', async ({
    namespace,
    faulty,
  }) => {
    const repositories = Array.from({ length: 30 }, () => uniqueName('api-server'))
    await Promise.all(repositories.map(repository => pushImage(faulty.store, `${repository}:1`)))
    const images = repositories.map(repository => `faulty.test.local/${repository}:1`)
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images }] })
    const downloaded = () => repositories.filter(repository => faulty.downloads(repository) > 0).length
    await eventually('the pull to be under way', async () => downloaded() > 0)
    await cluster.apiServerRestart(() => delay(OUTAGE_MS))
    expect(downloaded()).toBeLessThan(repositories.length)

    await waitForStatus(cluster, address, 'Succeeded')
    for (const node of await cluster.nodes()) {
      const listed = await cluster.runtimeImages(node)
      expect(
        images.filter(image => !listed.has(image)),
        `missing on ${node}`,
      ).toEqual([])
    }
    await waitUntilNothingPulls(cluster, namespace)
  })
})
