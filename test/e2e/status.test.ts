import { expect } from 'vitest'
import type { NodeImages } from '../../src/api/node-images.ts'
import { CacheWatch } from '../harness/cache-watch.ts'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import { createCache, patchCache, waitForStatus } from '../harness/image-caches.ts'
import { cluster, test } from './fixtures.ts'

interface Event {
  readonly type: string
  readonly reason: string
  readonly message: string
}

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/

test.skipIf(!cluster.isLocal)(
  'what a user and an old client see of a cache that succeeds (needs the local registry)',
  async ({ namespace }) => {
    const target = `${uniqueName('status')}:1`
    const image = `registry.test.local/${target}`
    const { digest } = await pushImage(cluster.openRegistry(), target)
    await using watch = CacheWatch.start(cluster, namespace)
    const nodes = await cluster.nodes()
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [image] }] })
    const { status, metadata } = await waitForStatus(cluster, address, 'Succeeded')

    expect(status).toMatchObject({
      status: 'Succeeded',
      reason: 'ImageCacheCreate',
      message: 'All requested images pulled succesfully to respective nodes',
      startTime: expect.stringMatching(RFC3339),
      completionTime: expect.stringMatching(RFC3339),
      observedGeneration: metadata.generation,
      nodes: { desired: nodes.length, ready: nodes.length },
      images: [{ image, desired: nodes.length, present: nodes.length }],
      summary: { images: '1/1', nodes: `${nodes.length}/${nodes.length}` },
    })
    expect(status).not.toHaveProperty('failures')
    expect(Date.parse(status?.completionTime ?? '')).toBeGreaterThanOrEqual(
      Date.parse(status?.startTime ?? ''),
    )
    expect(Object.fromEntries((status?.conditions ?? []).map(({ type, status }) => [type, status]))).toEqual({
      Ready: 'True',
      Progressing: 'False',
      Degraded: 'False',
    })
    for (const node of nodes) {
      expect([...(await cluster.runtimeImages(node))]).toContain(image)
    }

    const table = await cluster.kubectl(['-n', namespace, 'get', 'imagecaches'])
    const [head = '', row = ''] = table.split('\n')
    expect(head.split(/\s+/)).toEqual(['NAME', 'STATUS', 'IMAGES', 'NODES', 'AGE'])
    expect(row.split(/\s+/)).toEqual([
      address.name,
      'Succeeded',
      '1/1',
      `${nodes.length}/${nodes.length}`,
      expect.stringMatching(/^\d+m?\d*s$/),
    ])
    expect(await cluster.kubectl(['-n', namespace, 'get', 'ic', '-o', 'name'])).toBe(
      `imagecache.kubefledged.io/${address.name}\n`,
    )

    const [nodeHead = '', ...nodeRows] = (await cluster.kubectl(['get', 'nodeimages'])).trim().split('\n')
    expect(nodeHead.split(/\s+/)).toEqual(['NAME', 'DESIRED', 'PRESENT', 'FAILED', 'AGE'])
    expect(nodeRows.map(line => line.split(/\s+/)[0] ?? '').toSorted()).toEqual(nodes.toSorted())
    for (const line of nodeRows) {
      const [, desired, present] = line.split(/\s+/)
      expect(Number(desired), line).toBeGreaterThanOrEqual(1)
      expect(Number(present), line).toBeGreaterThanOrEqual(1)
    }
    const { items } = await cluster.kubectlJson<{ items: NodeImages[] }>(['get', 'nodeimages'])
    for (const { spec } of items) {
      const owners = spec?.images?.find(desired => desired.image === image)?.owners ?? []
      expect(owners.map(owner => spec?.owners?.[owner]?.cache)).toEqual([`${namespace}/${address.name}`])
    }

    await eventually('the Event of the creation', async () => {
      const events = await cluster.kubectlJson<{ items: Event[] }>([
        '-n',
        namespace,
        'get',
        'events',
        `--field-selector=involvedObject.kind=ImageCache,involvedObject.name=${address.name}`,
      ])
      expect(events.items).toEqual([
        expect.objectContaining({
          type: 'Normal',
          reason: 'ImageCacheCreate',
          message: `All requested images pulled succesfully to respective nodes (images 1/1, nodes ${nodes.length}/${nodes.length})`,
        }),
      ])
      return true
    })

    const history = watch.sightings.flatMap(({ cache }) => (cache.status?.status ? [cache.status] : []))
    expect(history.length).toBeGreaterThan(1)
    expect([...new Set(history.map(seen => `${seen.status} ${seen.reason}`))]).toEqual([
      'Processing ImageCacheCreate',
      'Succeeded ImageCacheCreate',
    ])
    for (const seen of history) {
      expect(seen).not.toHaveProperty('failures')
      const processing = seen.status === 'Processing'
      expect(seen.message).toBe(
        processing
          ? 'Images are being pulled on to the nodes. Please view the status after some time'
          : 'All requested images pulled succesfully to respective nodes',
      )
      expect(Object.hasOwn(seen, 'completionTime')).toBe(!processing)
      expect(seen.startTime).toBe(status?.startTime)
    }
    expect(digest).toMatch(/^sha256:/)
  },
)

test('what an old client sees of a cache that fails and of one that is edited', async ({ namespace }) => {
  await using watch = CacheWatch.start(cluster, namespace)
  const nodes = await cluster.nodes()
  const address = await createCache(cluster, namespace, {
    cacheSpec: [{ images: ['registry.test.local/Upper:1'] }],
  })
  const { status } = await waitForStatus(cluster, address, 'Failed')
  expect(status).toMatchObject({
    reason: 'ImageCacheCreate',
    message: 'Image pull failed for some images. Please see "failures" section',
    summary: { images: '0/1', nodes: `0/${nodes.length}` },
  })
  const listed = status?.failures?.['registry.test.local/Upper:1'] ?? []
  expect(listed.map(failure => failure.node).toSorted()).toEqual(nodes)
  for (const failure of listed) {
    expect(Object.keys(failure).toSorted()).toEqual(['message', 'node', 'reason'])
    expect(failure.reason).toBe('InvalidReference')
  }

  await patchCache(cluster, address, { spec: { cacheSpec: [{ images: [] }] } })
  const edited = await waitForStatus(cluster, address, 'NoImagesPulledOrDeleted')
  expect(edited.status).not.toHaveProperty('failures')
  expect(edited.status?.reason).toBe('ImageCacheUpdate')
  const history = watch.sightings.flatMap(({ cache }) => (cache.status?.status ? [cache.status] : []))
  expect(new Set(history.map(seen => `${seen.status} ${seen.reason}`))).toEqual(
    new Set([
      'Processing ImageCacheCreate',
      'Failed ImageCacheCreate',
      'Processing ImageCacheUpdate',
      'NoImagesPulledOrDeleted ImageCacheUpdate',
    ]),
  )
  for (const seen of history.filter(({ status }) => status === 'Processing')) {
    expect(seen).not.toHaveProperty('completionTime')
  }
})
