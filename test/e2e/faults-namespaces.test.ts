import { describe, expect } from 'vitest'
import { eventually, uniqueName } from '../harness/cluster.ts'
import type { FaultyRegistry } from '../harness/faulty-registry.ts'
import { pushImage } from '../harness/image-builder.ts'
import {
  createCache,
  createNamespace,
  deleteNamespace,
  getNodeImages,
  waitForStatus,
} from '../harness/image-caches.ts'
import { pullPods, waitUntilNothingPulls } from '../harness/pull-pods.ts'
import { cluster, test } from './fixtures.ts'

async function freshImages(registry: FaultyRegistry, count: number, words = 'namespaces'): Promise<string[]> {
  const targets = Array.from({ length: count }, () => `${words}/${uniqueName('x')}:1`)
  await Promise.all(targets.map(target => pushImage(registry.store, target)))
  return targets.map(target => `faulty.test.local/${target}`)
}

function repositoryOf(image: string): string {
  return image.replace(/^faulty\.test\.local\/(.*):1$/, '$1')
}

async function missing(images: readonly string[]): Promise<string[]> {
  const nodes = await cluster.nodes()
  const perNode = nodes.map(async node => {
    const listed = await cluster.runtimeImages(node)
    return images.filter(image => !listed.has(image)).map(image => `${image} on ${node}`)
  })
  return (await Promise.all(perNode)).flat()
}

/** Objects that let no Job, or no Pod of it, be made, and what the API server says of them. */
const REFUSALS = [
  {
    what: 'a quota of no Pods',
    object: { apiVersion: 'v1', kind: 'ResourceQuota', spec: { hard: { pods: '0' } } },
    words: /exceeded quota: .*pods=1/,
  },
  {
    what: 'a quota of no Jobs',
    object: { apiVersion: 'v1', kind: 'ResourceQuota', spec: { hard: { 'count/jobs.batch': '0' } } },
    words: /exceeded quota: .*count\/jobs\.batch=1/,
  },
  {
    what: 'a limit range that our containers are too small for',
    object: {
      apiVersion: 'v1',
      kind: 'LimitRange',
      spec: { limits: [{ type: 'Container', min: { cpu: '500m' } }] },
    },
    words: /minimum cpu usage per Container is 500m/,
  },
] as const

type Refusal = (typeof REFUSALS)[number]

/** Lets a cache be refused in a namespace of its own, then lifts what refuses it. */
async function refuseThenLift({ what, object, words }: Refusal, images: readonly string[]): Promise<void> {
  const namespace = await createNamespace(cluster)
  await cluster.apply({ ...object, metadata: { name: 'refusal', namespace } })
  if (object.kind === 'ResourceQuota') {
    const args = ['-n', namespace, 'get', 'resourcequota', 'refusal', '-o', 'jsonpath={.status.hard}']
    await eventually('the quota to be in force', async () => (await cluster.kubectl(args)) !== '')
  }
  const address = await createCache(cluster, namespace, { cacheSpec: [{ images: [...images] }] })
  const refused = await waitForStatus(cluster, address, 'Failed')
  expect(Object.keys(refused.status?.failures ?? {}).toSorted(), what).toEqual(images.toSorted())
  for (const failure of Object.values(refused.status?.failures ?? {}).flat()) {
    expect(failure.reason, what).toBe('JobRefused')
    expect(failure.message, what).toMatch(words)
  }

  await cluster.kubectl(['-n', namespace, 'delete', object.kind, 'refusal'])
  const liftedAt = Date.now()
  await waitForStatus(cluster, address, 'Succeeded')
  console.log(`${what}: ready ${Date.now() - liftedAt} ms after it was lifted`)
  expect(await missing(images), what).toEqual([])
  await deleteNamespace(cluster, namespace)
}

describe.skipIf(!cluster.isLocal)('namespaces that let nothing be made (needs to reach into nodes)', () => {
  test("JobRefused in the API's words, and ready soon after it is lifted", async ({ faulty }) => {
    await Promise.all(REFUSALS.map(async refusal => refuseThenLift(refusal, await freshImages(faulty, 3))))
  })
})

describe.skipIf(!cluster.isLocal)('what is deleted during a pull (needs to reach into nodes)', () => {
  test('a namespace that is deleted in the middle of a pull leaves nothing and holds up nobody', async ({
    namespace,
    faulty,
  }) => {
    const doomed = await createNamespace(cluster)
    // The kubelet goes on with what it has begun, whatever becomes of the Pod: slow is what this can be,
    // but not endless.
    const slow = await freshImages(faulty, 5, 'slow/500')
    await createCache(cluster, doomed, { cacheSpec: [{ images: slow }] })
    await eventually('the pull to be under way', async () =>
      slow.some(image => faulty.downloads(repositoryOf(image)) > 0),
    )
    expect(await missing(slow)).not.toEqual([])
    await cluster.kubectl(['delete', 'namespace', doomed, '--wait=false'])
    const images = await freshImages(faulty, 3)
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images }] })

    await waitForStatus(cluster, address, 'Succeeded')
    expect(await missing(images)).toEqual([])
    await eventually('the namespace to be gone', async () => {
      const left = await cluster.kubectl(['get', 'namespace', doomed, '--ignore-not-found', '-o', 'name'])
      return left === ''
    })
    for (const node of await cluster.nodes()) {
      await eventually(`${node} to want it no more`, async () => {
        const { spec } = await getNodeImages(cluster, node)
        return !spec?.images?.some(({ image }) => slow.includes(image))
      })
    }
  })

  for (const kind of ['jobs', 'pods'] as const) {
    test(`${kind} that somebody deletes in the middle of a pull are proved again`, async ({
      namespace,
      faulty,
    }) => {
      const images = await freshImages(faulty, 15, 'slow/200')
      const address = await createCache(cluster, namespace, { cacheSpec: [{ images }] })
      const deleted = new Set<string>()
      for (let times = 0; times < 2; times += 1) {
        const pods = await eventually('new Pods to be there', async () => {
          const found = await pullPods(cluster, namespace)
          const fresh = found.filter(({ metadata }) => !deleted.has(metadata.name))
          return fresh.length > 0 && fresh
        })
        for (const { metadata } of pods) deleted.add(metadata.name)
        await cluster.kubectl(['-n', namespace, 'delete', kind, '--all', '--grace-period=0', '--force'])
      }
      expect(await missing(images)).not.toEqual([])
      const { status } = await waitForStatus(cluster, address, 'Succeeded')
      expect(status?.failures).toBeUndefined()
      expect(await missing(images)).toEqual([])
      await waitUntilNothingPulls(cluster, namespace)
    })
  }
})
