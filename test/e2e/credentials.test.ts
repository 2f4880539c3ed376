import { describe, expect } from 'vitest'
import { pullSecretOf } from '../builders/pull-secret.ts'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import {
  createCache,
  createNamespace,
  deleteNamespace,
  getCache,
  waitForStatus,
} from '../harness/image-caches.ts'
import type { BasicCredentials } from '../harness/registry.ts'
import { cluster, test as base } from './fixtures.ts'

const nodes = await cluster.nodes()
const SECRET = 'registry-password'

/** A second namespace, of somebody else's. */
// oxlint-disable-next-line no-empty-pattern -- vitest reads the needed fixtures from the pattern
const test = base.extend('otherNamespace', async ({}, { onCleanup }) => {
  const name = await createNamespace(cluster, 'e2e-other')
  onCleanup(() => deleteNamespace(cluster, name))
  return name
})

async function createSecret(namespace: string, credentials: BasicCredentials): Promise<void> {
  await cluster.apply(pullSecretOf({ namespace, name: SECRET }, 'private.test.local', credentials))
}

/** Pushes an image that only those with the password may pull. */
async function secretImage(): Promise<string> {
  const target = `${uniqueName('secret')}:1`
  await pushImage(cluster.privateRegistry(), target)
  return `private.test.local/${target}`
}

async function holders(image: string): Promise<string[]> {
  const lists = await Promise.all(nodes.map(node => cluster.runtimeImages(node)))
  return nodes.filter((_, index) => lists[index]?.has(image))
}

describe.skipIf(!cluster.isLocal)('private registries (needs the local one)', () => {
  test('are pulled from with the secrets of the cache’s namespace', async ({ namespace, otherNamespace }) => {
    const image = await secretImage()
    const imagePullSecrets = [{ name: SECRET }]
    const spec = { cacheSpec: [{ images: [image] }], imagePullSecrets }
    await createSecret(namespace, { username: 'puller', password: 'wrong' })
    const wrong = await createCache(cluster, namespace, spec)
    const { status } = await waitForStatus(cluster, wrong, 'Failed')
    expect(status?.failures?.[image]?.map(({ reason }) => reason)).toEqual(nodes.map(() => 'Unauthorized'))
    expect(status?.failures?.[image]?.[0]?.message).toMatch(/401 Unauthorized/)
    expect(await holders(image)).toEqual([])
    expect(JSON.stringify(await getCache(cluster, wrong))).not.toContain('s3cret')

    await createSecret(otherNamespace, cluster.local.privateRegistryCredentials)
    const right = await createCache(cluster, otherNamespace, spec)
    await waitForStatus(cluster, right, 'Succeeded')
    expect(await holders(image)).toEqual(nodes)
    expect((await getCache(cluster, wrong)).status?.status).toBe('Failed')
  })

  test('one namespace’s pull proves nothing for another', async ({ namespace, otherNamespace }) => {
    const image = await secretImage()
    await createSecret(namespace, cluster.local.privateRegistryCredentials)
    const owner = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [image] }],
      imagePullSecrets: [{ name: SECRET }],
    })
    await waitForStatus(cluster, owner, 'Succeeded')
    // From now on the nodes' own lists show the image to everybody.
    await eventually(
      'every node to list the image',
      async () => {
        const list = await cluster.kubectlJson<{
          items: { status: { images?: { names?: string[] }[] } }[]
        }>(['get', 'nodes'])
        return list.items.every(node => node.status.images?.some(entry => entry.names?.includes(image)))
      },
      { timeoutMs: 120_000, everyMs: 1000 },
    )
    const without = await createCache(cluster, otherNamespace, { cacheSpec: [{ images: [image] }] })
    const absent = await createCache(cluster, otherNamespace, {
      cacheSpec: [{ images: [image] }],
      imagePullSecrets: [{ name: 'no-such-secret' }],
    })
    for (const address of [without, absent]) {
      const { status } = await waitForStatus(cluster, address, 'Failed')
      expect(status?.failures?.[image]?.map(({ reason }) => reason)).toEqual(nodes.map(() => 'Unauthorized'))
    }
    expect((await getCache(cluster, owner)).status?.status).toBe('Succeeded')
  })

  test('a Secret that comes after its cache is found without being told', async ({ namespace }) => {
    const image = await secretImage()
    const late = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [image] }],
      imagePullSecrets: [{ name: SECRET }],
    })
    const { status } = await waitForStatus(cluster, late, 'Failed')
    expect(status?.failures?.[image]?.[0]?.message).toMatch(/no basic auth credentials/)
    await createSecret(namespace, cluster.local.privateRegistryCredentials)
    await waitForStatus(cluster, late, 'Succeeded')
    expect(await holders(image)).toEqual(nodes)
  })
})
