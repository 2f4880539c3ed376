import { afterAll, beforeAll, describe, expect } from 'vitest'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import { createCache, getCache, waitForCache, waitForStatus } from '../harness/image-caches.ts'
import { cluster, test } from './fixtures.ts'

/** New, so that the list of images in its status is whole: a full one proves nothing. */
const NODE = 'node-4'
const SELECTOR = { 'kubernetes.io/hostname': NODE }
/**
 * The kubelet looks at its runtime every 30 s and reports every 10 s; what is older than a minute speaks
 * for itself.
 */
const TRUTH_MS = 180_000

async function freshImage(sizeBytes = 1024): Promise<string> {
  const target = `${uniqueName('truth')}:1`
  await pushImage(cluster.openRegistry(), target, { sizeBytes })
  return `registry.test.local/${target}`
}

describe.skipIf(!cluster.isLocal)('what a node really holds (needs to reach into nodes)', () => {
  beforeAll(() => cluster.startNode(NODE))
  afterAll(() => cluster.removeNode(NODE))

  test('a kubelet that has no room refuses the Pod: NodeRefused in its words, and ready when there is room', async ({
    namespace,
    onTestFinished,
  }) => {
    const cpu = await cluster.kubectl(['get', 'node', NODE, '-o', 'jsonpath={.status.allocatable.cpu}'])
    const glutton = uniqueName('glutton')
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: glutton, namespace: 'default' },
      spec: {
        nodeName: NODE,
        terminationGracePeriodSeconds: 0,
        automountServiceAccountToken: false,
        containers: [
          { name: 'pause', image: 'registry.test.local/pause:1', resources: { requests: { cpu } } },
        ],
      },
    })
    const leave = () =>
      cluster.kubectl(['-n', 'default', 'delete', 'pod', glutton, '--ignore-not-found']).then(() => {})
    onTestFinished(leave)
    await cluster.kubectl(['-n', 'default', 'wait', '--for=condition=Ready', `pod/${glutton}`])

    const image = await freshImage()
    const address = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [image], nodeSelector: SELECTOR }],
    })
    const refused = await waitForStatus(cluster, address, 'Failed')
    const [failure] = refused.status?.failures?.[image] ?? []
    expect(failure).toMatchObject({ node: NODE, reason: 'NodeRefused' })
    expect(failure?.message).toMatch(/OutOfcpu/)

    await leave()
    await waitForStatus(cluster, address, 'Succeeded')
    expect(await cluster.runtimeImages(NODE)).toContain(image)
  })

  test('an image that was removed behind its back comes back', { timeout: TRUTH_MS + 60_000 }, async ({
    namespace,
  }) => {
    const [stays, goes] = await Promise.all([freshImage(), freshImage()])
    const address = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [stays, goes], nodeSelector: SELECTOR }],
    })
    const before = await waitForStatus(cluster, address, 'Succeeded')
    const removedAt = Date.now()
    await cluster.removeImage(NODE, goes)
    expect(await cluster.runtimeImages(NODE)).not.toContain(goes)

    await eventually('the image to be back', async () => (await cluster.runtimeImages(NODE)).has(goes), {
      timeoutMs: TRUTH_MS,
      everyMs: 1_000,
    })
    console.log(`the image was back after ${Math.round((Date.now() - removedAt) / 1000)} s`)
    await waitForCache(cluster, address, 'to be ready', ({ status }) => status?.nodes?.ready === 1)
    const after = await getCache(cluster, address)
    expect(after.status?.startTime).toBe(before.status?.startTime)
    expect(after.status?.completionTime).toBe(before.status?.completionTime)
  })
})
