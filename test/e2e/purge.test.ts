import { describe, expect } from 'vitest'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { pushImage, retag } from '../harness/image-builder.ts'
import {
  type CacheAddress,
  annotatePurge,
  annotateRefresh,
  createCache,
  createNamespace,
  getCache,
  getNodeImages,
  patchCache,
  waitForCache,
  waitForStatus,
} from '../harness/image-caches.ts'
import { cluster, test } from './fixtures.ts'

const nodes = await cluster.nodes()
const PURGED = 'All cached images succesfully deleted from respective nodes'
const SOME_STAY =
  'Cached images that nothing else needs succesfully deleted from respective nodes. Please see "kept" section for the others'

async function freshImage(repository = uniqueName('purge')): Promise<string> {
  await pushImage(cluster.openRegistry(), `${repository}:1`)
  return `registry.test.local/${repository}:1`
}

/** A cache whose images are on all nodes. */
async function warm(namespace: string, images: string[], spec: object = {}): Promise<CacheAddress> {
  const address = await createCache(cluster, namespace, { cacheSpec: [{ images }], ...spec })
  await waitForStatus(cluster, address, 'Succeeded')
  for (const node of nodes) {
    expect([...(await cluster.runtimeImages(node))]).toEqual(expect.arrayContaining(images))
  }
  return address
}

/** Waits until a purge has ended well, and answers the cache. */
async function purged(address: CacheAddress) {
  return waitForCache(
    cluster,
    address,
    'to be purged',
    ({ status, metadata }) =>
      status?.reason === 'ImageCachePurge' &&
      status.status === 'Succeeded' &&
      metadata.annotations?.['kubefledged.io/purge-imagecache'] === undefined,
  )
}

async function isOnNodes(image: string): Promise<boolean[]> {
  const listed = await Promise.all(nodes.map(node => cluster.runtimeImages(node)))
  return listed.map(images => images.has(image))
}

const EVERYWHERE = nodes.map(() => true)
const NOWHERE = nodes.map(() => false)

/** Runs a Pod of the helper image that mounts an image, and waits until it does. */
async function mount(image: string, node: string, name: string): Promise<void> {
  const helper = (
    await cluster.kubectl([
      '-n',
      'kube-fledged',
      'get',
      'deployment',
      'kubefledged-controller',
      '-o',
      'jsonpath={.spec.template.spec.containers[0].env[?(@.name=="BUSYBOX_IMAGE")].value}',
    ])
  ).trim()
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      volumes: [{ name: 'image', image: { reference: image, pullPolicy: 'IfNotPresent' } }],
      containers: [
        {
          name: 'user',
          image: helper,
          command: ['/bin/busybox', 'sleep', '3600'],
          volumeMounts: [{ name: 'image', mountPath: '/image' }],
        },
      ],
    },
  })
  await cluster.kubectl(['-n', 'default', 'wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s'])
}

describe.skipIf(!cluster.isLocal)('a purge (needs to look into nodes)', () => {
  test('takes the images off the nodes, and an edit or a refresh brings them back', async ({ namespace }) => {
    const images = [await freshImage(), await freshImage()]
    const [first = ''] = images
    const address = await warm(namespace, images)
    await annotatePurge(cluster, address)
    const { status } = await purged(address)
    expect(status).toMatchObject({ message: PURGED, summary: { images: '0/0', nodes: '0/0' } })
    expect(status).not.toHaveProperty('failures')
    expect(status).not.toHaveProperty('kept')
    for (const image of images) expect(await isOnNodes(image)).toEqual(NOWHERE)
    expect(status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'Ready', status: 'False', reason: 'Purged' }),
    )
    const events = await cluster.kubectl([
      '-n',
      namespace,
      'get',
      'events',
      `--field-selector=involvedObject.name=${address.name}`,
      '-o',
      'jsonpath={range .items[*]}{.type} {.reason} {.message}{"\\n"}{end}',
    ])
    expect(events).toContain(`Normal ImageCachePurge ${PURGED}`)
    await eventually('the ledgers to forget them', async () => {
      const ledgers = await Promise.all(nodes.map(node => getNodeImages(cluster, node)))
      return ledgers.every(ledger => !ledger.spec?.remove && !JSON.stringify(ledger.spec).includes(first))
    })

    await annotateRefresh(cluster, address)
    const back = await waitForStatus(cluster, address, 'Succeeded')
    expect(back.status).toMatchObject({ reason: 'ImageCacheRefresh', summary: { images: '2/2' } })
    for (const image of images) expect(await isOnNodes(image)).toEqual(EVERYWHERE)

    await annotatePurge(cluster, address)
    await purged(address)
    await patchCache(cluster, address, { spec: { cacheSpec: [{ images: [first] }] } })
    const edited = await waitForStatus(cluster, address, 'Succeeded')
    expect(edited.status).toMatchObject({ reason: 'ImageCacheUpdate', summary: { images: '1/1' } })
    expect(await isOnNodes(first)).toEqual(EVERYWHERE)
    expect(await isOnNodes(images[1] ?? '')).toEqual(NOWHERE)
  })

  test('an image that is taken out of a list goes from the nodes', async ({ namespace }) => {
    const stays = await freshImage()
    const goes = await freshImage()
    const address = await warm(namespace, [stays, goes])
    await patchCache(cluster, address, { spec: { cacheSpec: [{ images: [stays] }] } })
    const { status } = await waitForStatus(cluster, address, 'Succeeded')
    expect(status).toMatchObject({ reason: 'ImageCacheUpdate', summary: { images: '1/1' } })
    expect(await isOnNodes(goes)).toEqual(NOWHERE)
    expect(await isOnNodes(stays)).toEqual(EVERYWHERE)
  })

  test('an image that is taken out of the list for one node stays where another list has it', async ({
    namespace,
  }) => {
    const [one = '', other = ''] = nodes
    const [moves, stays] = [await freshImage(), await freshImage()]
    const listFor = (node: string, ...images: string[]) => ({
      images,
      nodeSelector: { 'kubernetes.io/hostname': node },
    })
    const isOn = async (node: string, image: string) => (await cluster.runtimeImages(node)).has(image)
    const address = await createCache(cluster, namespace, {
      cacheSpec: [listFor(one, moves, stays), listFor(other, moves)],
    })
    await waitForStatus(cluster, address, 'Succeeded')
    expect([await isOn(one, moves), await isOn(other, moves)]).toEqual([true, true])
    await patchCache(cluster, address, { spec: { cacheSpec: [listFor(one, stays), listFor(other, moves)] } })
    const { status } = await waitForStatus(cluster, address, 'Succeeded')
    expect(status?.reason).toBe('ImageCacheUpdate')
    expect([await isOn(one, moves), await isOn(other, moves)]).toEqual([false, true])
    expect(await isOn(one, stays)).toBe(true)
  })

  test('leaves what another cache wants, by whatever name, and the other tag of an image', async ({
    namespace,
  }) => {
    const shared = await freshImage()
    const one = await freshImage()
    const other = one.replace(/:1$/, ':2')
    await retag(cluster.openRegistry(), one.slice(one.indexOf('/') + 1), '2')
    const own = await freshImage()
    const otherCache = await warm(namespace, [shared, other])
    const before = (await getCache(cluster, otherCache)).status
    const address = await warm(namespace, [shared, one, own])
    await annotatePurge(cluster, address)
    const { status } = await purged(address)
    expect(status?.message).toBe(SOME_STAY)
    expect(status?.kept).toEqual([
      { image: shared, reason: 'WantedByOthers', count: nodes.length, examples: nodes.toSorted() },
    ])
    expect(await isOnNodes(shared)).toEqual(EVERYWHERE)
    expect(await isOnNodes(other)).toEqual(EVERYWHERE)
    expect(await isOnNodes(one)).toEqual(NOWHERE)
    expect(await isOnNodes(own)).toEqual(NOWHERE)
    // Digests may be told later, by the nodes' own lists.
    const { images: _, ...rest } = before ?? {}
    expect((await getCache(cluster, otherCache)).status).toMatchObject({ ...rest, status: 'Succeeded' })

    // Whoever keeps it by deleting his cache keeps it: the purge was answered.
    await cluster.kubectl(['-n', namespace, 'delete', 'imagecache', otherCache.name])
    await annotateRefresh(cluster, address)
    await waitForStatus(cluster, address, 'Succeeded')
    await annotatePurge(cluster, address)
    expect((await purged(address)).status?.message).toBe(PURGED)
    expect(await isOnNodes(shared)).toEqual(NOWHERE)
  })

  test('leaves what a container uses, and says who', async ({ namespace, onTestFinished }) => {
    const used = await freshImage()
    const unused = await freshImage()
    const [node = '', ...others] = nodes
    const address = await warm(namespace, [used, unused])
    const pod = uniqueName('user')
    const leave = () =>
      cluster.kubectl(['-n', 'default', 'delete', 'pod', pod, '--ignore-not-found']).then(() => {})
    onTestFinished(leave)
    await mount(used, node, pod)
    await annotatePurge(cluster, address)
    const { status } = await purged(address)
    expect(status?.message).toBe(SOME_STAY)
    expect(status?.kept).toEqual([
      {
        image: used,
        reason: 'InUse',
        message: `container user of Pod default/${pod}`,
        count: 1,
        examples: [node],
      },
    ])
    expect(await isOnNodes(used)).toEqual([true, ...others.map(() => false)])
    expect(await isOnNodes(unused)).toEqual(NOWHERE)

    await leave()
    // The kubelet removes a stopped container a little after its Pod.
    await eventually('the runtime to have no container of the Pod', async () => {
      return (await cluster.containersOf(node, pod)).length === 0
    })
    await annotatePurge(cluster, address)
    const again = await waitForCache(
      cluster,
      address,
      'to keep nothing',
      cache => cache.status?.status === 'Succeeded' && cache.status.kept === undefined,
    )
    expect(again.status?.message).toBe(PURGED)
    expect(await isOnNodes(used)).toEqual(NOWHERE)
  })

  test('deploys by new tags leave no older tag behind once its Pods have gone', async ({
    namespace,
    onTestFinished,
  }) => {
    const repository = uniqueName('deploy')
    const tags = [1, 2, 3].map(tag => `registry.test.local/${repository}:${tag}`)
    for (const tag of [1, 2, 3]) {
      await pushImage(cluster.openRegistry(), `${repository}:${tag}`)
    }
    const [first = '', ...later] = tags
    const address = await warm(namespace, [first])
    const users = nodes.map((_, index) => uniqueName(`deployed-${index}`))
    const leave = async (name: string) => {
      await cluster.kubectl([
        '-n',
        'default',
        'delete',
        'pod',
        name,
        '--ignore-not-found',
        '--grace-period=1',
      ])
    }
    onTestFinished(async () => {
      for (const name of users) await leave(name)
    })
    // The Pods of the old deployment still run when the list has the new tag.
    for (const [index, node] of nodes.entries()) await mount(first, node, users[index] ?? '')
    for (const tag of later) {
      await patchCache(cluster, address, { spec: { cacheSpec: [{ images: [tag] }] } })
      await waitForStatus(cluster, address, 'Succeeded')
    }
    const inUse = (await getCache(cluster, address)).status?.kept ?? []
    expect(inUse).toMatchObject([{ image: first, reason: 'InUse', count: nodes.length }])
    for (const name of users) await leave(name)
    const { status } = await waitForCache(
      cluster,
      address,
      'to keep nothing that is not used any more',
      cache => cache.status?.kept === undefined,
      { timeoutMs: 180_000 },
    )
    expect(status).toMatchObject({ status: 'Succeeded' })
    expect(await isOnNodes(tags[2] ?? '')).toEqual(EVERYWHERE)
    expect(await isOnNodes(tags[1] ?? '')).toEqual(NOWHERE)
    expect(await isOnNodes(first)).toEqual(NOWHERE)
  })

  test('breaks off what is being pulled', async ({ namespace, faulty }) => {
    const repository = `slow/4000/${namespace}`
    const slow = `faulty.test.local/${repository}:1`
    await pushImage(faulty.store, `${repository}:1`)
    const quick = await freshImage()
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [quick, slow] }] })
    await eventually('the pull to be under way', async () => faulty.attempts(repository) > 0)
    await annotatePurge(cluster, address)
    expect((await purged(address)).status?.message).toBe(PURGED)
    expect(await isOnNodes(quick)).toEqual(NOWHERE)
    expect(await isOnNodes(slow)).toEqual(NOWHERE)
  })

  test('deletionPolicy Purge: the deletion waits until the images are gone', async ({ namespace }) => {
    const image = await freshImage()
    const address = await warm(namespace, [image], { deletionPolicy: 'Purge' })
    expect((await getCache(cluster, address)).metadata.finalizers).toEqual(['kubefledged.io/purge'])
    await cluster.kubectl(['-n', namespace, 'delete', 'imagecache', address.name, '--timeout=60s'])
    expect(await isOnNodes(image)).toEqual(NOWHERE)

    const retained = await freshImage()
    const other = await warm(namespace, [retained], { deletionPolicy: 'Purge' })
    await patchCache(cluster, other, { spec: { deletionPolicy: 'Retain' } })
    await waitForCache(cluster, other, 'to lose its finalizer', cache => !cache.metadata.finalizers?.length)
    await cluster.kubectl(['-n', namespace, 'delete', 'imagecache', other.name, '--timeout=60s'])
    expect(await isOnNodes(retained)).toEqual(EVERYWHERE)
  })

  test('deletionPolicy Purge does not hold up the deletion of a namespace', async () => {
    const namespace = await createNamespace(cluster)
    const image = await freshImage()
    await warm(namespace, [image], { deletionPolicy: 'Purge' })
    await cluster.kubectl(['delete', 'namespace', namespace, '--timeout=60s'])
    await eventually('the image to go all the same', async () =>
      (await isOnNodes(image)).every(isThere => !isThere),
    )
  })
})
