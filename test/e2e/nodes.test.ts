import { afterAll, describe, expect } from 'vitest'
import type { ImageCache } from '../../src/api/image-cache.ts'
import { type Cluster, eventually, uniqueName } from '../harness/cluster.ts'
import type { FaultyRegistry } from '../harness/faulty-registry.ts'
import { pushImage } from '../harness/image-builder.ts'
import {
  type CacheAddress,
  createCache,
  getCache,
  getNodeImages,
  waitForCache,
  waitForStatus,
} from '../harness/image-caches.ts'
import { cluster, test } from './fixtures.ts'

/** A node that these tests add, misuse and take away. */
const NODE = 'node-3'
/**
 * As soon as its kubelet says so, a node gets work; far more than that takes, far less than a resync would.
 */
const AT_ONCE_MS = 10_000

/** Images big enough to be broken off in the middle. */
async function freshImages(registry: FaultyRegistry, count: number): Promise<string[]> {
  const targets = Array.from({ length: count }, () => `${uniqueName('nodes')}:1`)
  await Promise.all(targets.map(target => pushImage(registry.store, target, { sizeBytes: 100_000 })))
  return targets.map(target => `faulty.test.local/${target}`)
}

function repositoryOf(image: string): string {
  return image.replace(/^faulty\.test\.local\/(.*):1$/, '$1')
}

async function holdsAll(node: string, images: readonly string[]): Promise<boolean> {
  const listed = await cluster.runtimeImages(node)
  return images.every(image => listed.has(image))
}

async function holdsNone(node: string, images: readonly string[]): Promise<boolean> {
  const listed = await cluster.runtimeImages(node)
  return !images.some(image => listed.has(image))
}

function caughtUp(address: CacheAddress, nodes: number): Promise<ImageCache> {
  return waitForCache(
    cluster,
    address,
    `to be ready on ${nodes} nodes`,
    ({ status }) => status?.nodes?.ready === nodes && status.nodes.desired === nodes,
  )
}

/** What only an action changes: as long as it stays the same, `Processing` was never shown. */
function lastAction({ status }: ImageCache) {
  return {
    status: status?.status,
    reason: status?.reason,
    startTime: status?.startTime,
    completionTime: status?.completionTime,
  }
}

async function ready(of: Cluster, node: string): Promise<{ isReady: boolean; since: number }> {
  const path = 'jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status} {.lastTransitionTime}{end}'
  const [status, since = ''] = (await of.kubectl(['get', 'node', node, '-o', path])).split(' ')
  return { isReady: status === 'True', since: Date.parse(since) }
}

function skippedFor(cache: ImageCache, reason: string): string[] {
  return [...(cache.status?.skipped?.find(skipped => skipped.reason === reason)?.examples ?? [])]
}

async function podsOn(node: string): Promise<string> {
  const selector = ['-l', 'app=kubefledged,kubefledged=kubefledged-image-manager']
  return cluster.kubectl([
    'get',
    'pods',
    '-A',
    ...selector,
    `--field-selector=spec.nodeName=${node}`,
    '-o',
    'name',
  ])
}

describe.skipIf(!cluster.isLocal)('nodes that come and go (needs to add and break nodes)', () => {
  afterAll(() => cluster.removeNode(NODE))

  test('a node that joins is warm without anyone asking', async ({ namespace, faulty }) => {
    const images = await freshImages(faulty, 12)
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images }] })
    const before = await waitForStatus(cluster, address, 'Succeeded')
    const startedAt = Date.now()
    await cluster.startNode(NODE)
    const after = await caughtUp(address, 3)
    expect(await holdsAll(NODE, images)).toBe(true)
    expect(lastAction(after)).toEqual(lastAction(before))

    const repositories = new Set(images.map(repositoryOf))
    const first = faulty.log.find(
      request => repositories.has(request.repository) && request.receivedAt > startedAt,
    )
    const { since } = await ready(cluster, NODE)
    const took = (first?.receivedAt ?? Number.NaN) - since
    console.log(
      `first request for an image of ${NODE}: ${took} ms after it turned Ready (a time of whole seconds)`,
    )
    expect(took).toBeLessThan(AT_ONCE_MS)
  })

  test('a cordoned node gets no work, the status says so, and it is caught up when uncordoned', async ({
    namespace,
    faulty,
  }) => {
    const images = await freshImages(faulty, 2)
    await cluster.kubectl(['cordon', NODE])
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images }] })
    const cordoned = await waitForStatus(cluster, address, 'Succeeded')
    expect(cordoned.status?.nodes).toEqual({ desired: 2, ready: 2, skipped: 1 })
    expect(skippedFor(cordoned, 'Cordoned')).toEqual([NODE])
    expect(await podsOn(NODE)).toBe('')
    expect(await holdsNone(NODE, images)).toBe(true)

    await cluster.kubectl(['uncordon', NODE])
    const after = await caughtUp(address, 3)
    expect(await holdsAll(NODE, images)).toBe(true)
    expect(after.status?.skipped).toBeUndefined()
    expect(lastAction(after)).toEqual(lastAction(cordoned))
  })

  test('a node whose power fails in the middle of a pull holds up nobody, and goes on when it is back', async ({
    namespace,
    faulty,
    onTestFinished,
  }) => {
    onTestFinished(() => cluster.startNode(NODE))
    const [quick, slow] = (await freshImages(faulty, 2)) as [string, string]
    await createCache(cluster, namespace, { cacheSpec: [{ images: [quick] }] }).then(address =>
      waitForStatus(cluster, address, 'Succeeded'),
    )
    // Only the node that is to be killed pulls it while the registry keeps it waiting.
    faulty.setFault(repositoryOf(slow), { kind: 'stall' })
    const address = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [quick] }, { images: [slow], nodeSelector: { 'kubernetes.io/hostname': NODE } }],
    })
    await eventually('the pull to begin', async () =>
      faulty.requests(repositoryOf(slow)).some(({ kind }) => kind === 'blob'),
    )
    await cluster.killNode(NODE)
    const without = await waitForStatus(cluster, address, 'Succeeded')
    expect(skippedFor(without, 'NotReady')).toEqual([NODE])
    expect(without.status?.failures).toBeUndefined()
    expect(without.status?.nodes).toMatchObject({ desired: 2, ready: 2, skipped: 1 })

    faulty.setFault(repositoryOf(slow), { kind: 'none' })
    await cluster.startNode(NODE)
    const after = await caughtUp(address, 3)
    expect(await holdsAll(NODE, [quick, slow])).toBe(true)
    expect(lastAction(after)).toEqual(lastAction(without))
  })

  test('a node that the network lost gets no work, and is caught up when it is found again', async ({
    namespace,
    faulty,
    onTestFinished,
  }) => {
    const images = await freshImages(faulty, 2)
    await cluster.partitionNode(NODE)
    onTestFinished(() => cluster.healNode(NODE))
    await eventually(`${NODE} to be NotReady`, async () => !(await ready(cluster, NODE)).isReady)
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images }] })
    const lost = await waitForStatus(cluster, address, 'Succeeded')
    expect(lost.status?.nodes).toEqual({ desired: 2, ready: 2, skipped: 1 })
    expect(skippedFor(lost, 'NotReady')).toEqual([NODE])
    expect(await cluster.kubectl(['-n', namespace, 'get', 'jobs', '-o', 'name'])).toBe('')

    await cluster.healNode(NODE)
    const after = await caughtUp(address, 3)
    expect(await holdsAll(NODE, images)).toBe(true)
    expect(lastAction(after)).toEqual(lastAction(lost))
  })

  test('a node that is made anew under its name starts cold, and one that is deleted is forgotten', async ({
    namespace,
    faulty,
  }) => {
    const images = await freshImages(faulty, 3)
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images }] })
    const before = await waitForStatus(cluster, address, 'Succeeded')
    expect(before.status?.nodes).toEqual({ desired: 3, ready: 3 })
    const old = await getNodeImages(cluster, NODE)

    await cluster.removeNode(NODE)
    await waitForCache(cluster, address, 'to forget the node', ({ status }) => status?.nodes?.desired === 2)
    await eventually('its NodeImages to go', async () => {
      const names = await cluster.kubectl(['get', 'nodeimages', '-o', 'name'])
      return !names.includes(NODE)
    })
    expect(lastAction(await getCache(cluster, address))).toEqual(lastAction(before))
    const asked = faulty.log.length

    await cluster.startNode(NODE)
    const after = await caughtUp(address, 3)
    const made = await getNodeImages(cluster, NODE)
    const uid = await cluster.kubectl(['get', 'node', NODE, '-o', 'jsonpath={.metadata.uid}'])
    expect(made.metadata.uid).not.toBe(old.metadata.uid)
    expect(made.metadata.ownerReferences?.map(owner => owner.uid)).toEqual([uid])
    expect(made.status?.nodeUid).toBe(uid)
    expect(await holdsAll(NODE, images)).toBe(true)
    const pulled = new Set(faulty.log.slice(asked).map(request => request.repository))
    expect([...pulled]).toEqual(expect.arrayContaining(images.map(repositoryOf)))
    expect(lastAction(after)).toEqual(lastAction(before))
  })
})
