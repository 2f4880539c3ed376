import { describe, expect } from 'vitest'
import { uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import { createCache, getCache, waitForStatus } from '../harness/image-caches.ts'
import { waitUntilNothingPulls } from '../harness/pull-pods.ts'
import { cluster, test } from './fixtures.ts'

async function newImage(): Promise<string> {
  const target = `${uniqueName('strangers')}:1`
  await pushImage(cluster.openRegistry(), target)
  return `registry.test.local/${target}`
}

/** A mesh that puts its proxy before all other containers of a namespace. The proxy never ends. */
async function meshIn(
  namespace: string,
  onTestFinished: (clean: () => Promise<void>) => void,
): Promise<void> {
  // The proxy is not restricted.
  const level = 'pod-security.kubernetes.io/enforce=privileged'
  await cluster.kubectl(['label', 'namespace', namespace, level, '--overwrite'])
  const metadata = { name: namespace }
  const apiVersion = 'admissionregistration.k8s.io/v1'
  const expression = `[JSONPatch{op: "add", path: "/spec/containers/0", value: Object.spec.containers{
    name: "proxy", image: object.spec.containers[0].image, command: ["/bin/busybox", "sleep", "3600"]}}]`
  await cluster.apply({
    apiVersion,
    kind: 'MutatingAdmissionPolicy',
    metadata,
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
  })
  const kinds = ['mutatingadmissionpolicybinding', 'mutatingadmissionpolicy']
  onTestFinished(async () => {
    for (const kind of kinds) await cluster.kubectl(['delete', kind, namespace, '--ignore-not-found'])
  })
  await cluster.apply({
    apiVersion,
    kind: 'MutatingAdmissionPolicyBinding',
    metadata,
    spec: {
      policyName: namespace,
      matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } },
    },
  })
}

describe.skipIf(!cluster.isLocal)('strangers (needs the local registries)', () => {
  test('a mesh that puts its proxy first makes no image present that is missing', async ({
    namespace,
    onTestFinished,
  }) => {
    await meshIn(namespace, onTestFinished)
    const image = await newImage()
    const missing = `${image.slice(0, image.lastIndexOf(':'))}:missing`
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [image, missing] }] })
    const { failures = {} } = (await waitForStatus(cluster, address, 'Failed')).status ?? {}
    const nodes = await cluster.nodes()
    expect(Object.keys(failures)).toEqual([missing])
    expect(failures[missing]?.map(({ reason }) => reason)).toEqual(nodes.map(() => 'ImageNotFound'))
    for (const node of nodes) expect(await cluster.runtimeImages(node)).toContain(image)
    await waitUntilNothingPulls(cluster, namespace)
  })

  test('an older cache whose Jobs no node can run denies its image to nobody', async ({ namespace }) => {
    const image = await newImage()
    const cpu = { cpu: '1000' }
    const odd = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [image] }],
      jobTemplate: { resources: { requests: cpu, limits: cpu } },
    })
    const { failures = {} } = (await waitForStatus(cluster, odd, 'Failed')).status ?? {}
    expect(failures[image]?.[0]?.reason).toBe('NodeRefused')
    const sound = await createCache(cluster, namespace, { cacheSpec: [{ images: [image] }] })
    await waitForStatus(cluster, sound, 'Succeeded')
    for (const node of await cluster.nodes()) expect(await cluster.runtimeImages(node)).toContain(image)
    expect((await getCache(cluster, odd)).status?.images?.[0]).toMatchObject({ present: 2 })
  })
})
