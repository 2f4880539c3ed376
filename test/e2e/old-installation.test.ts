import { describe, expect } from 'vitest'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import {
  type CacheAddress,
  createCache,
  getCache,
  getNodeImages,
  waitForStatus,
} from '../harness/image-caches.ts'
import { whileControllerIsAway } from './controller-args.ts'
import { cluster, test } from './fixtures.ts'

/** What kube-fledged 0.8 to 0.11 leaves behind. */

const LABELS = { app: 'kubefledged', kubefledged: 'kubefledged-image-manager', controller: 'fledged' }
const RESTRICTED = {
  allowPrivilegeEscalation: false,
  runAsNonRoot: true,
  runAsUser: 65_532,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
}

async function newImage(): Promise<string> {
  const target = `old/${uniqueName('image')}:1`
  await pushImage(cluster.openRegistry(), target)
  return `registry.test.local/${target}`
}

/** Writes a status as the old controller did, which had no `/status` and no `observedGeneration`. */
async function writeStatus({ namespace, name }: CacheAddress, status: object): Promise<void> {
  await cluster.kubectl([
    '-n',
    namespace,
    'patch',
    'imagecache',
    name,
    '--subresource=status',
    '--type=merge',
    `--patch=${JSON.stringify({ status })}`,
  ])
}

/** A Job as kube-fledged makes it for one image and one node, with a container that never ends. */
async function createJob(namespace: string, name: string, node: string, owner?: object): Promise<void> {
  const labels = { ...LABELS, imagecache: 'cache' }
  await cluster.apply({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace, labels, ...(owner && { ownerReferences: [owner] }) },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: 3600,
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: 'Never',
          nodeSelector: { 'kubernetes.io/hostname': node },
          tolerations: [{ operator: 'Exists' }],
          containers: [
            { name: 'imagepuller', image: 'registry.test.local/pause:1', securityContext: RESTRICTED },
          ],
        },
      },
    },
  })
}

async function names(kind: string, namespace: string): Promise<string[]> {
  const text = await cluster.kubectl(['-n', namespace, 'get', kind, '-o', 'name'])
  return text.trim().split('\n').filter(Boolean)
}

describe('an installation of kube-fledged that is replaced', () => {
  test('its Jobs go, its broken-off caches settle, what it finished stays finished, and nobody else’s Job is touched', async ({
    namespace,
  }) => {
    const [node = ''] = await cluster.nodes()
    const started = { startTime: '2026-01-01T00:00:00Z', message: 'The words of an old release' }
    const states = [
      { status: 'Processing', reason: 'ImageCacheCreate', ...started },
      { status: 'Processing', reason: 'ImageCacheRefresh', ...started },
      { status: 'Processing', reason: 'ImageCacheUpdate', ...started },
      { status: 'Aborted', reason: 'ImagePullAborted', ...started, completionTime: '2026-01-01T00:01:00Z' },
    ]
    const finished = { status: 'Succeeded', reason: 'ImageCacheCreate', ...started }
    const caches: CacheAddress[] = []
    let done: CacheAddress | undefined
    await whileControllerIsAway(async () => {
      for (const status of states) {
        const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [await newImage()] }] })
        await writeStatus(address, status)
        caches.push(address)
      }
      done = await createCache(cluster, namespace, { cacheSpec: [{ images: [await newImage()] }] })
      await writeStatus(done, { ...finished, completionTime: '2026-01-01T00:02:00Z' })

      const { uid } = (await getCache(cluster, done)).metadata
      const owner = {
        apiVersion: 'kubefledged.io/v1alpha2',
        kind: 'ImageCache',
        name: done.name,
        uid,
        controller: true,
        blockOwnerDeletion: true,
      }
      await createJob(namespace, `${done.name}-x7k2p`, node, owner)
      await createJob(namespace, `${done.name}-q9z4w`, node, owner)
      await createJob(namespace, 'somebody-elses', node)
      await eventually('the Pods of three Jobs', async () => (await names('pods', namespace)).length === 3)
    })

    for (const address of caches) await waitForStatus(cluster, address, 'Succeeded')
    await eventually('only the Job of somebody else to be left', async () => {
      const left = await names('jobs', namespace)
      const pods = await names('pods', namespace)
      if (left.length > 1 || pods.length > 1) throw new Error(`there are ${[...left, ...pods].join(', ')}`)
      return left.includes('job.batch/somebody-elses')
    })
    if (!done) throw new Error('nothing was finished')
    const { status } = await waitForStatus(cluster, done, 'Succeeded')
    expect(status).toMatchObject({ ...finished, completionTime: '2026-01-01T00:02:00Z' })
    await eventually('its image to be on all nodes', async () => {
      const { images = [] } = (await getCache(cluster, done as CacheAddress)).status ?? {}
      return images.length > 0 && images.every(({ present, desired }) => present === desired && desired > 0)
    })
  })

  test.skipIf(!cluster.isLocal)('what it had pulled counts as ours', async ({ namespace }) => {
    const image = await newImage()
    const nodes = await cluster.nodes()
    await whileControllerIsAway(async () => {
      await Promise.all(nodes.map(node => cluster.pullWithCtr(node, image)))
      for (const node of nodes) {
        await eventually(`${node} to list ${image}`, async () => {
          const path = 'jsonpath={.status.images[*].names[*]}'
          const listed = await cluster.kubectl(['get', 'node', node, '-o', path])
          return listed.split(' ').includes(image)
        })
      }
      const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [image] }] })
      await writeStatus(address, {
        status: 'Succeeded',
        reason: 'ImageCacheCreate',
        message: 'All requested images pulled succesfully to respective nodes',
        startTime: new Date().toISOString(),
        completionTime: new Date().toISOString(),
      })
      await cluster.kubectl(['delete', 'nodeimages', '--all'])
    })
    for (const node of nodes) {
      const entry = await eventually(`an entry of ${image} for ${node}`, async () =>
        (await getNodeImages(cluster, node)).status?.images?.find(each => each.image === image),
      )
      expect(entry).toMatchObject({ state: 'Present', pulledByUs: true })
    }
  })
})
