import { describe, expect } from 'vitest'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { type FaultyRegistry } from '../harness/faulty-registry.ts'
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

const NEEDS = 'needs to reach into nodes'

describe.skipIf(!cluster.isLocal).concurrent(`namespaces that let nothing be made (${NEEDS})`, () => {
  for (const { what, object, words } of REFUSALS) {
    test(`${what}: JobRefused in the API's words, and ready soon after it is lifted`, async ({
      namespace,
      faulty,
    }) => {
      await cluster.apply({ ...object, metadata: { name: 'refusal', namespace } })
      if (object.kind === 'ResourceQuota') {
        const used = 'jsonpath={.status.hard}'
        await eventually('the quota to be in force', async () => {
          return (
            (await cluster.kubectl(['-n', namespace, 'get', 'resourcequota', 'refusal', '-o', used])) !== ''
          )
        })
      }
      const images = await freshImages(faulty, 3)
      const address = await createCache(cluster, namespace, { cacheSpec: [{ images }] })
      const refused = await waitForStatus(cluster, address, 'Failed')
      expect(Object.keys(refused.status?.failures ?? {}).toSorted()).toEqual(images.toSorted())
      for (const failure of Object.values(refused.status?.failures ?? {}).flat()) {
        expect(failure.reason).toBe('JobRefused')
        expect(failure.message).toMatch(words)
      }

      await cluster.kubectl(['-n', namespace, 'delete', object.kind, 'refusal'])
      const liftedAt = Date.now()
      await waitForStatus(cluster, address, 'Succeeded')
      console.log(`${what}: ready ${Date.now() - liftedAt} ms after it was lifted`)
      expect(await missing(images)).toEqual([])
    })
  }
})

describe.skipIf(!cluster.isLocal)(`what is deleted in the middle of a pull (${NEEDS})`, () => {
  test('a namespace that is deleted in the middle of a pull leaves nothing and holds up nobody', async ({
    namespace,
    faulty,
  }) => {
    const doomed = await createNamespace(cluster)
    const [slow] = (await freshImages(faulty, 1, 'stall')) as [string]
    const gone = await createCache(cluster, doomed, { cacheSpec: [{ images: [slow] }] })
    const uid = await cluster.kubectl([
      '-n',
      doomed,
      'get',
      'imagecache',
      gone.name,
      '-o',
      'jsonpath={.metadata.uid}',
    ])
    expect(uid).not.toBe('')
    await eventually('the pull to hang', async () =>
      faulty.log.some(({ repository, kind }) => kind === 'blob' && slow.includes(repository)),
    )
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
        return !spec?.images?.some(({ image }) => image === slow)
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

  test('deleting the cache in the middle of a pull ends its Jobs', async ({ faulty }) => {
    const own = await createNamespace(cluster)
    const images = await freshImages(faulty, 2, 'stall')
    const address = await createCache(cluster, own, { cacheSpec: [{ images }] })
    await eventually('Pods to be there', async () => (await pullPods(cluster, own)).length > 0)
    await cluster.kubectl(['-n', own, 'delete', 'imagecache', address.name])
    await waitUntilNothingPulls(cluster, own)
    await deleteNamespace(cluster, own)
  })
})
