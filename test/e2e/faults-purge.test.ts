import { afterAll, describe, expect } from 'vitest'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { InstalledController } from '../harness/controller.ts'
import { pushImage } from '../harness/image-builder.ts'
import {
  annotatePurge,
  createCache,
  getCache,
  getNodeImages,
  waitForCache,
  waitForStatus,
} from '../harness/image-caches.ts'
import { withControllerArgument } from './controller-args.ts'
import { cluster, test } from './fixtures.ts'

const controller = new InstalledController(cluster)
const REMOVERS = ['get', 'jobs', '-l', 'app=kubefledged,kubefledged=kubefledged-image-remover', '-o', 'name']
/** New, so that the list of images in its status is whole. */
const NODE = 'node-5'
const SELECTOR = { 'kubernetes.io/hostname': NODE }

async function freshImages(count: number): Promise<string[]> {
  const targets = Array.from({ length: count }, () => `${uniqueName('purge')}:1`)
  await Promise.all(targets.map(target => pushImage(cluster.openRegistry(), target)))
  return targets.map(target => `registry.test.local/${target}`)
}

async function stillThere(images: readonly string[]): Promise<string[]> {
  const listed = await Promise.all((await cluster.nodes()).map(node => cluster.runtimeImages(node)))
  return images.filter(image => listed.some(names => names.has(image)))
}

const enforce = (level: string) =>
  cluster.kubectl([
    'label',
    'namespace',
    controller.namespace,
    `pod-security.kubernetes.io/enforce=${level}`,
    '--overwrite',
  ])

describe.skipIf(!cluster.isLocal)('a purge that is disturbed (needs to reach into nodes)', () => {
  afterAll(() => cluster.removeNode(NODE))

  test('kill -9 of the controller in the middle: everything goes, and no Job is left', async ({
    namespace,
  }) => {
    const images = await freshImages(20)
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images }] })
    await waitForStatus(cluster, address, 'Succeeded')
    const before = (await controller.pod()).restarts
    await annotatePurge(cluster, address)
    await eventually('a removal Job', async () => (await controller.kubectl(...REMOVERS)) !== '')
    await controller.signal(await controller.pod(), 'KILL')
    const { status } = await waitForStatus(cluster, address, 'Succeeded')
    expect(status).toMatchObject({ reason: 'ImageCachePurge' })
    expect(await stillThere(images)).toEqual([])
    expect((await controller.pod()).restarts).toBe(before + 1)
    await eventually('no removal Job', async () => (await controller.kubectl(...REMOVERS)) === '')
  })

  test('Pod Security lets no removal in: the cache says so in its words, and is purged once it does', async ({
    namespace,
    onTestFinished,
  }) => {
    onTestFinished(async () => {
      await enforce('privileged')
    })
    const images = await freshImages(2)
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images }] })
    await waitForStatus(cluster, address, 'Succeeded')
    await enforce('restricted')
    await annotatePurge(cluster, address)
    const refused = await waitForStatus(cluster, address, 'Failed')
    expect(refused.status?.message).toBe(
      'Image deletion failed for some images. Please see "failures" section',
    )
    const [failure] = refused.status?.failures?.[images[0] ?? ''] ?? []
    expect(failure?.reason).toBe('JobRefused')
    expect(failure?.message).toMatch(/violates PodSecurity/)
    expect(await stillThere(images)).toEqual(images)
    // Whoever pulls in the same namespace is let in, and is not taken for refused.
    const [pulled = ''] = await freshImages(1)
    const own = await createCache(cluster, controller.namespace, { cacheSpec: [{ images: [pulled] }] })
    onTestFinished(() =>
      cluster.kubectl(['-n', own.namespace, 'delete', 'imagecache', own.name]).then(() => {}),
    )
    const { status } = await waitForCache(cluster, own, 'to settle', cache =>
      ['Succeeded', 'Failed'].includes(cache.status?.status ?? ''),
    )
    expect(status).toMatchObject({ status: 'Succeeded' })

    await enforce('privileged')
    const purged = await waitForCache(
      cluster,
      address,
      'to be purged after all',
      ({ status }) => status?.status === 'Succeeded' && status.reason === 'ImageCachePurge',
      { timeoutMs: 180_000 },
    )
    expect(purged.status).not.toHaveProperty('failures')
    expect(await stillThere(images)).toEqual([])
  })

  test('leaves what was on a node before, and brings a node that joins nothing', async ({ namespace }) => {
    const [fixed = '', own = ''] = await freshImages(2)
    const repository = uniqueName('purge')
    await pushImage(cluster.openRegistry(), `${repository}:latest`)
    const foreign = [fixed, `registry.test.local/${repository}:latest`].toSorted()
    const gone = await createCache(cluster, namespace, { cacheSpec: [{ images: [own] }] })
    await waitForStatus(cluster, gone, 'Succeeded')
    await annotatePurge(cluster, gone)
    await waitForStatus(cluster, gone, 'Succeeded')

    await cluster.startNode(NODE)
    for (const image of foreign) await cluster.pullWithCtr(NODE, image)
    await eventually(
      'the node to list them',
      async () => {
        const listed = await cluster.kubectl(['get', 'node', NODE, '-o', 'yaml'])
        return foreign.every(image => listed.includes(image))
      },
      { timeoutMs: 120_000, everyMs: 1_000 },
    )
    const address = await createCache(cluster, namespace, {
      cacheSpec: [{ images: foreign, nodeSelector: SELECTOR }],
    })
    await waitForStatus(cluster, address, 'Succeeded')
    await annotatePurge(cluster, address)
    const { status } = await waitForCache(
      cluster,
      address,
      'to be purged',
      cache => cache.status?.reason === 'ImageCachePurge' && cache.status.status === 'Succeeded',
    )
    const kept = { reason: 'NotOurs', count: 1, examples: [NODE] }
    expect(status?.kept).toEqual(foreign.map(image => ({ image, ...kept })))
    const listed = await cluster.runtimeImages(NODE)
    expect([...listed]).toEqual(expect.arrayContaining(foreign))
    expect([...listed]).not.toContain(own)
    expect(JSON.stringify((await getNodeImages(cluster, NODE)).spec)).not.toContain(own)
    expect((await getCache(cluster, gone)).status).toMatchObject({ reason: 'ImageCachePurge' })
  })
})

describe.skipIf(!cluster.isLocal)('a path of the socket that no node has (needs to look into nodes)', () => {
  withControllerArgument('--cri-socket-path=/run/none/containerd.sock')

  test('shows in the cache with its name, within seconds, and makes no directory', async ({ namespace }) => {
    const [image = ''] = await freshImages(1)
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [image] }] })
    await waitForStatus(cluster, address, 'Succeeded')
    await annotatePurge(cluster, address)
    const failed = await waitForStatus(cluster, address, 'Failed')
    expect(failed.status?.failures?.[image]?.[0]).toMatchObject({
      reason: 'RemovalFailed',
      message: expect.stringMatching(/no directory \/run\/none,.*--cri-socket-path/),
    })
    for (const node of await cluster.nodes()) {
      await expect(cluster.nodeExec(node, ['ls', '/run/none'])).rejects.toThrow(/No such file/)
    }
  })
})
