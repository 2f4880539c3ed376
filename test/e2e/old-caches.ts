import { expect } from 'vitest'
import type { ImageCache } from '../../src/api/image-cache.ts'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import {
  type CacheAddress,
  annotatePurge,
  annotateRefresh,
  createCache,
  getCache,
  waitForCache,
  waitForStatus,
} from '../harness/image-caches.ts'
import { cluster } from './fixtures.ts'

/**
 * Image caches on which kube-fledged 0.11 has worked, and what has to become of them when it is replaced
 * and when it comes back.
 */
export class OldCaches {
  readonly namespace: string
  readonly #pulled: CacheAddress
  readonly #purged: CacheAddress
  /** Of an image that there is and one that there is not. */
  readonly #unfinished: CacheAddress
  readonly #images: OldImages
  /** As kube-fledged has left it. */
  readonly #status: ImageCache['status']

  private constructor(
    namespace: string,
    caches: readonly [CacheAddress, CacheAddress, CacheAddress],
    images: OldImages,
    status: ImageCache['status'],
  ) {
    this.namespace = namespace
    ;[this.#pulled, this.#purged, this.#unfinished] = caches
    this.#images = images
    this.#status = status
  }

  /** Has the kube-fledged that is installed pull and purge, and leaves it in the middle of a pull. */
  static async make(namespace: string): Promise<OldCaches> {
    // its Jobs run as root
    await cluster.kubectl(['label', 'namespace', namespace, 'pod-security.kubernetes.io/enforce-'])
    const images = {
      pulled: await newImage(),
      purged: await newImage(),
      late: await newImage(),
      missing: absentImage(),
    }
    const cacheOf = (...names: string[]) =>
      createCache(cluster, namespace, { cacheSpec: [{ images: names }] })
    const purged = await cacheOf(images.purged)
    const pulled = await cacheOf(images.pulled)
    await oldStatus(purged, 'Succeeded', 'ImageCacheCreate')
    await annotatePurge(cluster, purged)
    const { status } = await oldStatus(pulled, 'Succeeded', 'ImageCacheCreate')
    await oldStatus(purged, 'Succeeded', 'ImageCachePurge')
    expect(await holders(images.purged)).toEqual([])
    const unfinished = await cacheOf(images.late, images.missing)
    await everywhere(images.late)
    await oldStatus(unfinished, 'Processing', 'ImageCacheCreate')
    await createOthersJob(namespace)
    return new OldCaches(namespace, [pulled, purged, unfinished], images, status)
  }

  /**
   * The release that has taken over goes on where the other one was, and what that had pulled is removed by
   * a purge.
   */
  async expectTakenOver(): Promise<void> {
    const failed = await waitForStatus(cluster, this.#unfinished, 'Failed')
    const { missing, late, pulled } = this.#images
    const reasons = failed.status?.failures?.[missing]?.map(({ node, reason }) => `${node} ${reason}`)
    const nodes = await cluster.nodes()
    expect(reasons?.sort()).toEqual(nodes.map(node => `${node} ImageNotFound`))
    const { status } = await waitForCache(cluster, this.#pulled, 'to be counted', cache =>
      Boolean(
        cache.status?.images?.every(
          ({ present, desired }) => present === desired && desired === nodes.length,
        ),
      ),
    )
    expect(status).toMatchObject(this.#status ?? {})
    await eventually('no Job but somebody else’s', async () => (await jobs(this.namespace)) === OTHERS_JOB)

    for (const cache of [this.#pulled, this.#unfinished]) await annotatePurge(cluster, cache)
    for (const cache of [this.#pulled, this.#unfinished]) {
      const settled = await waitForStatus(cluster, cache, 'Succeeded')
      expect(settled.status?.reason).toBe('ImageCachePurge')
    }
    for (const image of [pulled, late]) expect(await holders(image), image).toEqual([])
    expect((await getCache(cluster, this.#purged)).status).toMatchObject({ reason: 'ImageCachePurge' })
    expect(await holders(this.#images.purged)).toEqual([])
  }

  /** kube-fledged, which is back, works on the same caches again and on a new one. */
  async expectGivenBack(): Promise<void> {
    // it believes what the API server says of nodes, which lags behind: of what has just been purged it
    // would say that it is there
    const { purged } = this.#images
    await eventually('no node to list what was purged first', async () => !(await listed()).includes(purged))
    await annotateRefresh(cluster, this.#purged)
    const image = await newImage()
    const fresh = await createCache(cluster, this.namespace, { cacheSpec: [{ images: [image] }] })
    const { status } = await oldStatus(this.#purged, 'Succeeded', 'ImageCacheRefresh')
    expect(status, 'the old definition knows no such fields').not.toHaveProperty('images')
    await oldStatus(fresh, 'Succeeded', 'ImageCacheCreate')
    await everywhere(purged)
    await everywhere(image)
  }
}

interface OldImages {
  readonly pulled: string
  readonly purged: string
  readonly late: string
  readonly missing: string
}

const OTHERS_JOB = 'somebody-elses'

const absentImage = () => `registry.test.local/old/${uniqueName('none')}:1`

async function newImage(): Promise<string> {
  const target = `old/${uniqueName('image')}:1`
  await pushImage(cluster.openRegistry(), target)
  return `registry.test.local/${target}`
}

/**
 * kube-fledged has no generations in its status: an action has begun or has ended when it says so, and the
 * annotation is gone.
 */
function oldStatus(address: CacheAddress, status: string, reason: string): Promise<ImageCache> {
  return waitForCache(cluster, address, `to be ${status} by ${reason}`, ({ status: is, metadata }) => {
    const isAsked = Object.keys(metadata.annotations ?? {}).some(key => key.startsWith('kubefledged.io/'))
    return is?.status === status && is.reason === reason && !isAsked
  })
}

/** A Job with the labels of kube-fledged's, but without an image cache that owns it. */
async function createOthersJob(namespace: string): Promise<void> {
  const container = { name: 'idle', image: 'registry.test.local/pause:1' }
  await cluster.apply({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: OTHERS_JOB,
      namespace,
      labels: { app: 'kubefledged', kubefledged: 'kubefledged-image-manager' },
    },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [container] } } },
  })
}

const jobs = (namespace: string) =>
  cluster.kubectl(['-n', namespace, 'get', 'jobs', '-o', 'jsonpath={.items[*].metadata.name}'])

/** What the Node objects list. */
async function listed(): Promise<string[]> {
  const names = await cluster.kubectl([
    'get',
    'nodes',
    '-o',
    'jsonpath={.items[*].status.images[*].names[*]}',
  ])
  return names.split(' ')
}

/** Nodes whose runtime lists an image. */
async function holders(image: string): Promise<string[]> {
  const nodes = await cluster.nodes()
  const lists = await Promise.all(nodes.map(node => cluster.runtimeImages(node)))
  return nodes.filter((_, index) => lists[index]?.has(image))
}

async function everywhere(image: string): Promise<void> {
  const nodes = await cluster.nodes()
  await eventually(`${image} on every node`, async () => (await holders(image)).length === nodes.length)
}
