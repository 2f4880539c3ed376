import { describe, expect } from 'vitest'
import { pullSecretOf } from '../builders/pull-secret.ts'
import { namespaceOf } from '../builders/namespace.ts'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { staysTrue } from '../harness/eventually.ts'
import { pushImage } from '../harness/image-builder.ts'
import {
  type CacheAddress,
  annotateRefresh,
  createCache,
  deleteNamespace,
  getCache,
  waitForCache,
  waitForStatus,
} from '../harness/image-caches.ts'
import { withControllerArgument } from './controller-args.ts'
import { cluster, test } from './fixtures.ts'

/**
 * What users of tools of this kind ran into. Nobody touches a cache after it was written, unless a test
 * says so.
 */

const nodes = await cluster.nodes()

/** Names an image that is not pushed yet, in the public registry of the cluster or the private one. */
function newImage(host = 'registry.test.local'): { readonly target: string; readonly image: string } {
  const target = `${uniqueName('field')}:1`
  return { target, image: `${host}/${target}` }
}

async function holders(image: string): Promise<string[]> {
  const lists = await Promise.all(nodes.map(node => cluster.runtimeImages(node)))
  return nodes.filter((_, index) => lists[index]?.has(image))
}

async function failsWith(address: CacheAddress, image: string, reason: string): Promise<void> {
  const { status } = await waitForStatus(cluster, address, 'Failed')
  expect(status?.failures?.[image]?.map(failure => failure.reason)).toEqual(nodes.map(() => reason))
}

async function setPassword(namespace: string, name: string, password: string): Promise<void> {
  const { username } = cluster.local.privateRegistryCredentials
  await cluster.apply(pullSecretOf({ namespace, name }, 'private.test.local', { username, password }))
}

describe.skipIf(!cluster.isLocal)('nothing that can heal needs a hand (needs the local registries)', () => {
  withControllerArgument('--image-cache-refresh-frequency=20s')

  test('an image that is pushed later, a token that is renewed, a secret of the service account', async ({
    namespace,
  }) => {
    const late = newImage()
    const behindToken = newImage('private.test.local')
    const behindAccount = newImage('private.test.local')
    for (const { target } of [behindToken, behindAccount]) await pushImage(cluster.privateRegistry(), target)
    await setPassword(namespace, 'token', 'expired')
    const lateCache = await createCache(cluster, namespace, { cacheSpec: [{ images: [late.image] }] })
    const tokenCache = await createCache(cluster, namespace, {
      imagePullSecrets: [{ name: 'token' }],
      cacheSpec: [{ images: [behindToken.image] }],
    })
    const accountCache = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [behindAccount.image] }],
    })
    await failsWith(lateCache, late.image, 'ImageNotFound')
    await failsWith(tokenCache, behindToken.image, 'Unauthorized')
    await failsWith(accountCache, behindAccount.image, 'Unauthorized')

    const { password } = cluster.local.privateRegistryCredentials
    await pushImage(cluster.openRegistry(), late.target)
    await setPassword(namespace, 'token', password)
    await setPassword(namespace, 'account', password)
    await cluster.kubectl([
      '-n',
      namespace,
      'patch',
      'serviceaccount',
      'default',
      '--patch={"imagePullSecrets":[{"name":"account"}]}',
    ])
    for (const [address, image] of [
      [lateCache, late.image],
      [tokenCache, behindToken.image],
      [accountCache, behindAccount.image],
    ] as const) {
      await waitForStatus(cluster, address, 'Succeeded')
      expect(await holders(image)).toEqual(nodes)
    }
  })
})

describe.skipIf(!cluster.isLocal)(
  'a mesh that puts its own container first (needs the local registry)',
  () => {
    test('is no evidence, and its proxy holds up no Job', async ({ onTestFinished }) => {
      const mesh = uniqueName('mesh')
      onTestFinished(async () => {
        await cluster.kubectl(['delete', 'mutatingadmissionpolicybinding,mutatingadmissionpolicy', mesh])
        await deleteNamespace(cluster, mesh)
      })
      const [there, missing, side] = [newImage(), newImage(), newImage()]
      await pushImage(cluster.openRegistry(), there.target)
      await pushImage(cluster.openRegistry(), side.target)
      for (const object of proxyFirst(mesh, side.image)) await cluster.apply(object)
      await cluster.apply(namespaceOf(mesh, { mesh }))
      // The policy is in force when a Pod shows it.
      await eventually('the mesh to inject its proxy', async () => {
        const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'probe', namespace: mesh } }
        const spec = { containers: [{ name: 'main', image: there.image }] }
        const dry = ['create', '--dry-run=server', '-o', 'json', '-f', '-']
        const made = await cluster.kubectl(dry, { input: JSON.stringify({ ...pod, spec }) })
        return made.includes(side.image)
      })
      const address = await createCache(cluster, mesh, {
        cacheSpec: [{ images: [there.image, missing.image] }],
      })
      await failsWith(address, missing.image, 'ImageNotFound')
      expect((await getCache(cluster, address)).status?.summary).toMatchObject({ images: '1/2' })
      expect(await holders(there.image)).toEqual(nodes)
      await eventually('the Jobs to be gone', async () => {
        return (await cluster.kubectl(['-n', mesh, 'get', 'jobs', '-o', 'name'])).trim() === ''
      })
    })
  },
)

describe.skipIf(!cluster.isLocal)('nodes that are taken away (needs to taint nodes)', () => {
  test.for(['karpenter.sh/disrupted:NoSchedule', 'node.cilium.io/agent-not-ready:NoExecute'])(
    'get no work while they have the taint %s, and are caught up afterwards',
    async (taint, { namespace, onTestFinished }) => {
      const [first = '', tainted = ''] = nodes
      const { target, image } = newImage()
      await pushImage(cluster.openRegistry(), target)
      const [key] = taint.split(':')
      const untaint = () => cluster.kubectl(['taint', 'node', tainted, `${key}-`]).catch(() => undefined)
      onTestFinished(async () => void (await untaint()))
      await cluster.kubectl(['taint', 'node', tainted, taint.replace(':', '=:')])
      const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [image] }] })
      const { status } = await waitForStatus(cluster, address, 'Succeeded')
      expect(status?.skipped?.map(({ examples }) => examples)).toEqual([[tainted]])
      await staysTrue(async () => expect(await holders(image)).toEqual([first]), { forMs: 3_000 })
      await untaint()
      await eventually('the node to be caught up', async () => (await holders(image)).length === 2)
    },
  )
})

describe.skipIf(!cluster.isLocal)('what is asked for during an action (needs the local registry)', () => {
  test('is done: a refresh that is stamped again brings what was pushed last', async ({ namespace }) => {
    const repository = uniqueName('stamped')
    const image = `registry.test.local/${repository}:latest`
    const push = (seed: string) => pushImage(cluster.openRegistry(), `${repository}:latest`, { seed })
    await push('A')
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [image] }] })
    await waitForStatus(cluster, address, 'Succeeded')
    await push('B')
    await annotateRefresh(cluster, address, '1')
    await waitForCache(cluster, address, 'to refresh', cache => cache.status?.status === 'Processing')
    const last = await push('C')
    await annotateRefresh(cluster, address, '2')
    await waitForStatus(cluster, address, 'Succeeded')
    const digests = await Promise.all(nodes.map(node => cluster.runtimeDigest(node, image)))
    expect(digests).toEqual(nodes.map(() => last.digest))
  })
})

describe('names from a running cluster', () => {
  test('that are image IDs are refused with words, and the others are cached', async ({ namespace }) => {
    const hex = '3f1c2e4b5a697887766554433221100ffeeddccbbaa998877665544332211000'
    const ids = [`sha256:${hex}`, `docker-pullable://registry.test.local/img/21@sha256:${hex}`]
    const { target, image } = newImage()
    await pushImage(cluster.openRegistry(), target)
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [...ids, image] }] })
    const { status } = await waitForStatus(cluster, address, 'Failed')
    for (const id of ids) {
      expect(status?.failures?.[id]?.[0]).toMatchObject({
        reason: 'InvalidReference',
        message: expect.stringContaining('spec.containers[].image'),
      })
    }
    expect(status?.images?.find(entry => entry.image === image)).toMatchObject({ present: nodes.length })
  })
})

/** A mesh without annotations to opt out: its proxy comes first in every Pod of its namespace. */
function proxyFirst(name: string, image: string): object[] {
  const apiVersion = 'admissionregistration.k8s.io/v1'
  const expression = `[JSONPatch{op: "add", path: "/spec/containers/0", value: Object.spec.containers{
    name: "proxy", image: "${image}", command: ["/bin/busybox", "sleep", "3600"]}}]`
  return [
    {
      apiVersion,
      kind: 'MutatingAdmissionPolicy',
      metadata: { name },
      spec: {
        failurePolicy: 'Fail',
        reinvocationPolicy: 'Never',
        matchConstraints: {
          resourceRules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] },
          ],
        },
        mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression } }],
      },
    },
    {
      apiVersion,
      kind: 'MutatingAdmissionPolicyBinding',
      metadata: { name },
      spec: { policyName: name, matchResources: { namespaceSelector: { matchLabels: { mesh: name } } } },
    },
  ]
}
