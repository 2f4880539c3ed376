import { describe, expect } from 'vitest'
import { imageCacheCrd } from '../../src/api/crd.ts'
import type { StructuralSchema } from '../../src/api/structural.ts'
import { uniqueName } from '../harness/cluster.ts'
import type { FaultyRegistry } from '../harness/faulty-registry.ts'
import { pushImage } from '../harness/image-builder.ts'
import { createCache, patchCache, waitForCache, waitForStatus } from '../harness/image-caches.ts'
import { podThatPulls, waitUntilNothingPulls } from '../harness/pull-pods.ts'
import { withControllerArgument } from './controller-args.ts'
import { cluster, test } from './fixtures.ts'

/** An image that takes long enough to pull for its Pod to be looked at. */
async function slowImage(registry: FaultyRegistry): Promise<string> {
  const repository = `slow/1500/${uniqueName('template')}`
  await pushImage(registry.store, `${repository}:1`)
  return `faulty.test.local/${repository}:1`
}

async function newImage(): Promise<string> {
  const target = `${uniqueName('template')}:1`
  await pushImage(cluster.openRegistry(), target)
  return `registry.test.local/${target}`
}

describe.skipIf(!cluster.isLocal)('spec.jobTemplate (needs the local registries)', () => {
  describe('where the administrator allows two of the guarded fields', () => {
    withControllerArgument('--job-template-allow=serviceAccountName,priorityClassName')

    test('the Pods that pull are as it says', async ({ namespace, faulty, onTestFinished }) => {
      const image = await slowImage(faulty)
      const priorityClassName = uniqueName('e2e-priority')
      await cluster.apply({
        apiVersion: 'scheduling.k8s.io/v1',
        kind: 'PriorityClass',
        metadata: { name: priorityClassName },
        value: 7,
      })
      onTestFinished(async () => {
        await cluster.kubectl(['delete', 'priorityclass', priorityClassName])
      })
      const serviceAccountName = 'puller'
      await cluster.apply({
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name: serviceAccountName, namespace },
      })
      const resources = { requests: { cpu: '2m', memory: '20Mi' }, limits: { cpu: 1, memory: '40Mi' } }
      const labels = { team: 'blue', app: 'mine' }
      const annotations = { 'example.com/note': 'any text' }
      const address = await createCache(cluster, namespace, {
        cacheSpec: [{ images: [image] }],
        jobTemplate: { labels, annotations, resources, priorityClassName, serviceAccountName },
      })
      const { metadata, spec } = await podThatPulls(cluster, namespace, image)
      expect(metadata.labels).toMatchObject({ team: 'blue', app: 'kubefledged' })
      expect(metadata.annotations).toMatchObject(annotations)
      expect(spec).toMatchObject({
        priorityClassName,
        priority: 7,
        serviceAccountName,
        automountServiceAccountToken: false,
      })
      for (const container of spec.containers) {
        expect(container.resources).toEqual({
          requests: { cpu: '2m', memory: '20Mi' },
          limits: { cpu: '1', memory: '40Mi' },
        })
      }
      await waitForStatus(cluster, address, 'Succeeded')
      await waitUntilNothingPulls(cluster, namespace)
    })

    test('what is not allowed is refused in sight, and nothing is pulled before it is taken out', async ({
      namespace,
    }) => {
      const image = await newImage()
      const address = await createCache(cluster, namespace, {
        cacheSpec: [{ images: [image] }],
        jobTemplate: { runtimeClassName: 'sandboxed' },
      })
      const { status } = await waitForStatus(cluster, address, 'Failed')
      const failures = status?.failures?.[image] ?? []
      expect(failures).toHaveLength((await cluster.nodes()).length)
      for (const failure of failures) {
        expect(failure).toMatchObject({
          reason: 'NotAllowed',
          message: expect.stringContaining('--job-template-allow=runtimeClassName'),
        })
      }
      for (const node of await cluster.nodes()) {
        expect([...(await cluster.runtimeImages(node))]).not.toContain(image)
      }
      await patchCache(cluster, address, {
        spec: { jobTemplate: { priorityClassName: 'system-node-critical' } },
      })
      const words = /"system-node-critical" is for the cluster itself/
      await waitForCache(cluster, address, 'to be refused its system class', cache =>
        words.test(cache.status?.failures?.[image]?.[0]?.message ?? ''),
      )
      await patchCache(cluster, address, { spec: { jobTemplate: null } })
      await waitForStatus(cluster, address, 'Succeeded')
      for (const node of await cluster.nodes()) {
        expect([...(await cluster.runtimeImages(node))]).toContain(image)
      }
    })
  })

  test('the node selector of its namespace keeps a cache off other nodes', async ({ namespace }) => {
    const image = await newImage()
    const annotate = (value: string) =>
      cluster.kubectl(['annotate', 'namespace', namespace, '--overwrite', value])
    await annotate('scheduler.alpha.kubernetes.io/node-selector=kubernetes.io/hostname=node-2')
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [image] }] })
    const { status } = await waitForStatus(cluster, address, 'Succeeded')
    expect(status?.nodes).toMatchObject({ desired: 1, ready: 1 })
    expect(status?.skipped).toContainEqual({
      reason: 'NamespaceNodeSelector',
      count: 1,
      examples: ['node-1'],
    })
    expect([...(await cluster.runtimeImages('node-2'))]).toContain(image)
    expect([...(await cluster.runtimeImages('node-1'))]).not.toContain(image)
    await annotate('scheduler.alpha.kubernetes.io/node-selector-')
    await waitForCache(
      cluster,
      address,
      'to be on both nodes',
      cache => cache.status?.nodes?.ready === 2 && cache.status.skipped === undefined,
    )
    expect([...(await cluster.runtimeImages('node-1'))]).toContain(image)
  })
})

/** Names of all fields of a schema, however deep. */
function fieldsOf(schema: StructuralSchema): string[] {
  const inner = [...Object.values(schema.properties ?? {}), ...(schema.items ? [schema.items] : [])]
  return [...Object.keys(schema.properties ?? {}), ...inner.flatMap(fieldsOf)]
}

test('kubectl explains every field of a cache', async () => {
  const schema = imageCacheCrd.spec.versions[0]?.schema.openAPIV3Schema.properties?.['spec'] ?? {}
  const fields = fieldsOf(schema)
  expect(fields).toEqual(expect.arrayContaining(['pullDeadline', 'timeZone', 'runtimeClassName', 'suspend']))
  const text = await cluster.kubectl(['explain', 'imagecache.spec', '--recursive'])
  for (const field of fields) expect(text).toMatch(new RegExp(`^\\s+${field}\\t<`, 'm'))
  for (const [field, { description }] of Object.entries(schema.properties ?? {})) {
    const words = await cluster.kubectl(['explain', `imagecache.spec.${field}`])
    expect(words.replaceAll(/\s+/g, ' ')).toContain(description ?? 'no description')
  }
})
