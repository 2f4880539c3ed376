import { describe, expect } from 'vitest'
import { uniqueName } from '../harness/cluster.ts'
import { type ImageKind, pushImage } from '../harness/image-builder.ts'
import { createCache, waitForStatus } from '../harness/image-caches.ts'
import { podThatPulls } from '../harness/pull-pods.ts'
import { withControllerArgument } from './controller-args.ts'
import { cluster, test } from './fixtures.ts'

async function pushed(kind: ImageKind): Promise<string> {
  const target = `${uniqueName(kind)}:1`
  await pushImage(cluster.openRegistry(), target, { kind })
  return `registry.test.local/${target}`
}

describe.skipIf(!cluster.isLocal)('pulling by containers (needs the insides of nodes)', () => {
  withControllerArgument('--job-pull-method=containers')

  test('good and odd images come, bad ones fail by themselves', async ({ namespace, faulty }) => {
    const slow = `faulty.test.local/slow/1500/${namespace}:1`
    await pushImage(faulty.store, `slow/1500/${namespace}:1`)
    const good = await Promise.all(
      (['image', 'sixty-layers', 'docker-schema2', 'no-layers'] as const).map(pushed),
    )
    const missing = `registry.test.local/${uniqueName('missing')}:1`
    const refused = `faulty.test.local/forbidden/${namespace}:1`
    const malformed = 'registry.test.local/App:1'
    const address = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [slow, ...good, missing, refused, malformed] }],
    })
    const pod = await podThatPulls(cluster, namespace, slow)
    expect(pod.spec.initContainers).toHaveLength(1)
    expect(pod.spec.containers.map(({ image }) => image)).toContain(slow)
    expect(pod.spec.volumes?.filter(volume => volume.image)).toEqual([])

    const { status } = await waitForStatus(cluster, address, 'Failed')
    for (const node of await cluster.nodes()) {
      const listed = await cluster.runtimeImages(node)
      expect([slow, ...good].filter(image => !listed.has(image))).toEqual([])
    }
    expect(
      Object.fromEntries(
        Object.entries(status?.failures ?? {}).map(([image, failures]) => [image, failures[0]?.reason]),
      ),
    ).toEqual({
      [missing]: 'ImageNotFound',
      [refused]: 'Unauthorized',
      [malformed]: 'InvalidReference',
    })
    for (const image of [slow, ...good]) {
      const shown = status?.images?.find(each => each.image === image)
      expect(shown).toMatchObject({ present: shown?.desired, digest: expect.stringMatching(/^sha256:/) })
    }
  })

  test('an artifact, which no container can run, is pulled all the same', async ({ namespace }) => {
    const artifact = await pushed('artifact')
    const image = await pushed('image')
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [artifact, image] }] })
    const { status } = await waitForStatus(cluster, address, 'Succeeded')
    expect(status).not.toHaveProperty('failures')
    for (const node of await cluster.nodes()) {
      const listed = await cluster.runtimeImages(node)
      expect([artifact, image].filter(each => !listed.has(each))).toEqual([])
    }
  })
})
