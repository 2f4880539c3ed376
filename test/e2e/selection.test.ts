import { describe, expect } from 'vitest'
import { uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import { createCache, patchCache, waitForStatus } from '../harness/image-caches.ts'
import { cluster, test } from './fixtures.ts'

/** Pushes a small image under a name of its own; answers how nodes call it. */
async function freshImage(): Promise<string> {
  const target = `${uniqueName('selection')}:1`
  await pushImage(cluster.openRegistry(), target)
  return `registry.test.local/${target}`
}

/** Which of the images each node's runtime lists. */
async function holdings(images: readonly string[]): Promise<Record<string, string[]>> {
  const nodes = await cluster.nodes()
  return Object.fromEntries(
    await Promise.all(
      nodes.map(async node => {
        const listed = await cluster.runtimeImages(node)
        return [node, images.filter(image => listed.has(image))] as const
      }),
    ),
  )
}

describe.skipIf(!cluster.isLocal)('which images go on which nodes (needs the insides of nodes)', () => {
  test('a list for all nodes and one with a nodeSelector', async ({ namespace }) => {
    const [everywhere, here, alsoHere] = await Promise.all([freshImage(), freshImage(), freshImage()])
    const cache = await createCache(cluster, namespace, {
      cacheSpec: [
        { images: [everywhere] },
        { images: [here, alsoHere], nodeSelector: { 'kubernetes.io/hostname': 'node-2' } },
      ],
    })
    const { status } = await waitForStatus(cluster, cache, 'Succeeded')
    const expected = Object.fromEntries(
      (await cluster.nodes()).map(node => [
        node,
        node === 'node-2' ? [everywhere, here, alsoHere] : [everywhere],
      ]),
    )
    expect(await holdings([everywhere, here, alsoHere])).toEqual(expected)
    expect(status?.nodes?.ready).toBe(Object.keys(expected).length)
  })

  test('node affinity and tolerations', async ({ namespace, onTestFinished }) => {
    const taint = uniqueName('e2e.kubefledged.io/taint')
    await cluster.kubectl(['taint', 'node', 'node-1', `${taint}=x:NoSchedule`])
    onTestFinished(async () => {
      await cluster.kubectl(['taint', 'node', 'node-1', `${taint}:NoSchedule-`])
    })
    const [affine, intolerant, tolerant, untouched] = await Promise.all([
      freshImage(),
      freshImage(),
      freshImage(),
      freshImage(),
    ])
    const both = { key: 'kubernetes.io/hostname', operator: 'In' as const, values: ['node-1', 'node-2'] }
    const notFirst = { key: 'kubernetes.io/hostname', operator: 'NotIn' as const, values: ['node-1'] }
    const cache = await createCache(cluster, namespace, {
      cacheSpec: [
        { images: [affine], nodeAffinity: { nodeSelectorTerms: [{ matchExpressions: [both, notFirst] }] } },
        { images: [intolerant], tolerations: [] },
        { images: [tolerant], tolerations: [{ key: taint, operator: 'Exists', effect: 'NoSchedule' }] },
        {
          images: [untouched],
          nodeSelector: { 'kubernetes.io/hostname': 'node-1' },
          nodeAffinity: { nodeSelectorTerms: [{ matchExpressions: [notFirst] }] },
        },
      ],
    })
    await waitForStatus(cluster, cache, 'Succeeded')
    const held = await holdings([affine, intolerant, tolerant, untouched])
    expect(held['node-1']).toEqual([tolerant])
    expect(held['node-2']).toEqual([affine, intolerant, tolerant])
  })

  test('a suspended cache does nothing until it is resumed', async ({ namespace }) => {
    const image = await freshImage()
    const cache = await createCache(cluster, namespace, { suspend: true, cacheSpec: [{ images: [image] }] })
    const { status } = await waitForStatus(cluster, cache, 'Aborted')
    expect(status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'Suspended',
    })
    for (const held of Object.values(await holdings([image]))) expect(held).toEqual([])

    await patchCache(cluster, cache, { spec: { suspend: null } })
    await waitForStatus(cluster, cache, 'Succeeded')
    for (const held of Object.values(await holdings([image]))) expect(held).toEqual([image])
  })
})

test('no node matches', async ({ namespace }) => {
  const cache = await createCache(cluster, namespace, {
    cacheSpec: [{ images: ['registry.test.local/never:1'], nodeSelector: { nobody: 'has-this' } }],
  })
  const { status } = await waitForStatus(cluster, cache, 'NoImagesPulledOrDeleted')
  expect(status).toMatchObject({
    reason: 'ImageCacheCreate',
    message: 'No images were pulled or deleted because nodeSelector specified did not match any nodes',
    nodes: { desired: 0, ready: 0 },
  })
  expect(status).not.toHaveProperty('failures')
})
