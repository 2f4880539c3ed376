import { afterAll, beforeAll, describe, expect } from 'vitest'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { InstalledController } from '../harness/controller.ts'
import { copyImage, pushImage } from '../harness/image-builder.ts'
import {
  annotatePurge,
  annotateRefresh,
  createCache,
  waitForCache,
  waitForStatus,
} from '../harness/image-caches.ts'
import { imageNames } from '../harness/make.ts'
import { cluster, test } from './fixtures.ts'

/** The operator's own images behind a registry with a password. */

const SECRET = uniqueName('mirror-password')
const TAG = uniqueName('private')
const controller = new InstalledController(cluster)
const nodes = await cluster.nodes()

async function createSecret(namespace: string): Promise<void> {
  const auths = { 'private.test.local': cluster.local.privateRegistryCredentials }
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name: SECRET },
    type: 'kubernetes.io/dockerconfigjson',
    stringData: { '.dockerconfigjson': JSON.stringify({ auths }) },
  })
}

/**
 * Has the controller use these helper images, and name these pull secrets as an edit of its Deployment
 * does.
 */
async function install(
  env: readonly EnvVariable[],
  imagePullSecrets: readonly object[] | null,
): Promise<void> {
  const spec = { template: { spec: { imagePullSecrets, containers: [{ name: 'controller', env }] } } }
  await controller.kubectl('patch', controller.deployment, `--patch=${JSON.stringify({ spec })}`)
  await controller.rolledOut()
  await eventually('the new Pod to lead', async () => {
    const [pod, other] = await controller.pods()
    return pod && !other && (await controller.holder()).startsWith(`${pod.name}_`)
  })
}

interface EnvVariable {
  readonly name: string
  readonly value: string
}

describe.skipIf(!cluster.isLocal)('helper images of a private registry (needs the local one)', () => {
  const own: EnvVariable[] = []
  const before: EnvVariable[] = []

  beforeAll(async () => {
    const names = await imageNames(cluster)
    for (const [name, repository] of [
      ['BUSYBOX_IMAGE', names['BUSYBOX_IMAGE_REPO'] ?? ''],
      ['KUBEFLEDGED_CRI_CLIENT_IMAGE', names['CRI_CLIENT_IMAGE_REPO'] ?? ''],
    ] as const) {
      const [, path] = repository.split('/')
      const target = `${path}:${names['RELEASE_VERSION']}`
      await copyImage(cluster.openRegistry(), cluster.privateRegistry(), target, TAG)
      own.push({ name, value: `private.test.local/${path}:${TAG}` })
      before.push({ name, value: `${repository}:${names['RELEASE_VERSION']}` })
    }
    await createSecret(controller.namespace)
    await install(own, [{ name: SECRET }])
  })

  afterAll(async () => {
    await install(before, null)
    await controller.kubectl('delete', 'secret', SECRET)
    for (const node of nodes) {
      const listed = await cluster.runtimeImages(node)
      for (const image of listed) if (image.endsWith(`:${TAG}`)) await cluster.removeImage(node, image)
    }
  })

  test('are pulled with the pull secrets of the controller’s Deployment', async ({ namespace }) => {
    const target = `${uniqueName('helped')}:1`
    await pushImage(cluster.openRegistry(), target)
    const image = `registry.test.local/${target}`
    const cache = await createCache(cluster, namespace, { cacheSpec: [{ images: [image] }] })
    const { status } = await waitForStatus(cluster, cache, 'Failed')
    const [failure] = status?.failures?.[image] ?? []
    expect(failure?.reason).toBe('HelperImageUnavailable')
    expect(failure?.message).toContain(
      `create or correct in the namespace ${namespace} the pull secrets of the operator: ${SECRET}`,
    )

    await createSecret(namespace)
    await annotateRefresh(cluster, cache)
    await waitForStatus(cluster, cache, 'Succeeded')
    const holders = async () => {
      const lists = await Promise.all(nodes.map(node => cluster.runtimeImages(node)))
      return nodes.filter((_, index) => lists[index]?.has(image))
    }
    expect(await holders()).toEqual(nodes)

    // a Job in the controller's own namespace removes it
    await annotatePurge(cluster, cache)
    await waitForCache(
      cluster,
      cache,
      'to be purged',
      ({ status: purged }) => purged?.reason === 'ImageCachePurge' && purged.status === 'Succeeded',
    )
    expect(await holders()).toEqual([])
  })
})
