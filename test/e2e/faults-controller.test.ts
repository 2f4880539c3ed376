import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeEach, describe, expect } from 'vitest'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { InstalledController } from '../harness/controller.ts'
import type { FaultyRegistry } from '../harness/faulty-registry.ts'
import { pushImage } from '../harness/image-builder.ts'
import { type CacheAddress, annotateRefresh, createCache, waitForStatus } from '../harness/image-caches.ts'
import { cluster, test } from './fixtures.ts'

const controller = new InstalledController(cluster)
/** A layer and a config. */
const BLOBS_PER_IMAGE = 2

interface RawPodStatus {
  containerStatuses: { lastState: { terminated?: { exitCode: number; finishedAt: string } } }[]
}

interface RawJobs {
  items: {
    metadata: { name: string; annotations: Record<string, string>; deletionTimestamp?: string }
    spec: { template: { spec: { nodeName: string } } }
  }[]
}

async function pushMany(registry: FaultyRegistry, count: number): Promise<string[]> {
  const repositories = Array.from({ length: count }, () => uniqueName('faults'))
  await Promise.all(
    repositories.map(repository => pushImage(registry.store, `${repository}:1`, { sizeBytes: 200_000 })),
  )
  return repositories
}

function warm(namespace: string, repositories: readonly string[]): Promise<CacheAddress> {
  const images = repositories.map(repository => `faulty.test.local/${repository}:1`)
  return createCache(cluster, namespace, { cacheSpec: [{ images }] })
}

async function everythingIsThere(repositories: readonly string[]): Promise<void> {
  for (const node of await cluster.nodes()) {
    const listed = await cluster.runtimeImages(node)
    const missing = repositories.filter(repository => !listed.has(`faulty.test.local/${repository}:1`))
    expect(missing, `missing on ${node}`).toEqual([])
  }
}

/** Every node needs every blob once; more than that in all means that one was downloaded twice. */
async function nothingWasPulledTwice(
  registry: FaultyRegistry,
  repositories: readonly string[],
): Promise<void> {
  const nodes = await cluster.nodes()
  const downloads = repositories.map(repository => registry.downloads(repository))
  expect(downloads).toEqual(repositories.map(() => nodes.length * BLOBS_PER_IMAGE))
}

/** Some of the images are pulled, but not all. */
async function isUnderWay(registry: FaultyRegistry, repositories: readonly string[]): Promise<void> {
  await eventually('the pull to be under way', async () =>
    repositories.some(repository => registry.downloads(repository) > 0),
  )
}

/** Looks until the signal fires; answers images that two Jobs pulled on one node at once. */
async function doubleJobs(namespace: string, signal: AbortSignal): Promise<string[]> {
  const doubles = new Set<string>()
  while (!signal.aborted) {
    const { items } = await cluster.kubectlJson<RawJobs>(['-n', namespace, 'get', 'jobs'])
    const seen = new Set<string>()
    for (const { metadata, spec } of items.filter(job => !job.metadata.deletionTimestamp)) {
      for (const image of (metadata.annotations['kubefledged.io/images'] ?? '').split('\n')) {
        const key = `${spec.template.spec.nodeName} ${image}`
        if (seen.has(key)) doubles.add(key)
        seen.add(key)
      }
    }
    await delay(200)
  }
  return [...doubles]
}

/** One controller that leads, made anew: no restart of its container has to wait out a back-off. */
async function freshController(): Promise<void> {
  await controller.kubectl('scale', controller.deployment, '--replicas=1')
  await controller.kubectl('rollout', 'restart', controller.deployment)
  await controller.kubectl('rollout', 'status', controller.deployment, '--timeout=60s')
  await eventually('the Pod of the controller to lead', async () => {
    const pod = await controller.pod()
    return pod.ready && (await controller.holder()).startsWith(`${pod.name}_`)
  })
}

/** Waits until another process leads than the one that did. */
async function takenOver(from: string): Promise<string> {
  return eventually('another process to lead', async () => {
    const holder = await controller.holder()
    return holder !== from && holder !== '' && holder
  })
}

describe.skipIf(!cluster.isLocal)('a controller that dies (needs to reach into nodes)', () => {
  beforeEach(freshController)
  afterAll(freshController)

  test('kill -9 at random moments: everything is pulled, nothing twice', async ({ namespace, faulty }) => {
    const repositories = await pushMany(faulty, 30)
    const address = await warm(namespace, repositories)
    await isUnderWay(faulty, repositories)
    for (let kills = 1; kills <= 2; kills += 1) {
      const pause = Math.round(Math.random() * 2_000)
      console.log(`kill -9 after ${pause} ms`)
      await delay(pause)
      const holder = await controller.holder()
      await controller.signal(await controller.pod(), 'KILL')
      await takenOver(holder)
    }
    await waitForStatus(cluster, address, 'Succeeded')
    expect((await controller.pod()).restarts).toBe(2)
    await everythingIsThere(repositories)
    await nothingWasPulledTwice(faulty, repositories)
  })

  test('kill -9 in the middle of a refresh: every node has what the tags mean now', async ({
    namespace,
    faulty,
  }) => {
    const repositories = Array.from({ length: 12 }, () => uniqueName('moving'))
    const pushAll = (seed: string) =>
      Promise.all(
        repositories.map(repository =>
          pushImage(faulty.store, `${repository}:latest`, { seed: `${repository} ${seed}` }),
        ),
      )
    await pushAll('first')
    const images = repositories.map(repository => `faulty.test.local/${repository}:latest`)
    const address = await createCache(cluster, namespace, { cacheSpec: [{ images }] })
    await waitForStatus(cluster, address, 'Succeeded')
    const pushed = await pushAll('second')
    const downloads = () => repositories.reduce((sum, repository) => sum + faulty.downloads(repository), 0)
    const before = downloads()
    await annotateRefresh(cluster, address)
    await eventually('the refresh to be under way', async () => downloads() > before)
    const holder = await controller.holder()
    await controller.signal(await controller.pod(), 'KILL')
    await takenOver(holder)
    const { status } = await waitForStatus(cluster, address, 'Succeeded')
    expect(status?.reason).toBe('ImageCacheRefresh')
    for (const node of await cluster.nodes()) {
      const digests = await Promise.all(images.map(image => cluster.runtimeDigest(node, image)))
      expect(digests).toEqual(pushed.map(({ digest }) => digest))
    }
  })

  test('its Pod is deleted in the middle of a pull', async ({ namespace, faulty }) => {
    const repositories = await pushMany(faulty, 30)
    const address = await warm(namespace, repositories)
    await isUnderWay(faulty, repositories)
    const { name } = await controller.pod()
    await controller.kubectl('delete', 'pod', name, '--wait=false')
    await waitForStatus(cluster, address, 'Succeeded')
    expect((await controller.pod()).name).not.toBe(name)
    await everythingIsThere(repositories)
    await nothingWasPulledTwice(faulty, repositories)
  })

  test('of two controllers one leads; the other takes over when that is killed, and no Job is made twice', async ({
    namespace,
    faulty,
  }) => {
    await controller.kubectl('scale', controller.deployment, '--replicas=2')
    const pods = await eventually('two Pods of the controller', async () => {
      const found = await controller.pods()
      return found.length === 2 && found.every(pod => pod.ready) && found
    })
    const holder = await controller.holder()
    const leader = pods.find(pod => holder.startsWith(`${pod.name}_`))
    const other = pods.find(pod => pod !== leader)
    if (!leader || !other) throw new Error(`${holder} is no Pod of the controller`)
    expect(await controller.logs(other)).not.toContain('"leading"')

    const repositories = await pushMany(faulty, 30)
    const looking = new AbortController()
    const doubles = doubleJobs(namespace, looking.signal)
    const address = await warm(namespace, repositories)
    await isUnderWay(faulty, repositories)
    await controller.signal(leader, 'KILL')
    const killedAt = Date.now()
    const next = await takenOver(holder)
    console.log(`${next} leads ${Date.now() - killedAt} ms after the one before was killed`)
    await waitForStatus(cluster, address, 'Succeeded')
    looking.abort()
    expect(await doubles).toEqual([])
    await everythingIsThere(repositories)
    await nothingWasPulledTwice(faulty, repositories)
  })

  test('SIGTERM: it ends with 0, gives up the lease, and has logged a JSON object a line', async () => {
    const pod = await controller.pod()
    const holder = await controller.holder()
    const sentAt = Date.now()
    await controller.signal(pod, 'TERM')
    const ended = await eventually('its end', async () => {
      const { status } = await cluster.kubectlJson<{ status: RawPodStatus }>([
        '-n',
        controller.namespace,
        'get',
        'pod',
        pod.name,
      ])
      return status.containerStatuses[0]?.lastState.terminated
    })
    expect(ended.exitCode).toBe(0)
    expect(Date.parse(ended.finishedAt) - sentAt).toBeLessThan(10_000)
    await takenOver(holder)

    const lines = (await controller.logs(pod, 'previous')).trim().split('\n')
    expect(lines.length).toBeGreaterThan(3)
    const messages = lines.map(line => (JSON.parse(line) as { msg: unknown }).msg)
    expect(messages.at(0)).toBe('starting')
    expect(messages.at(-1)).toBe('stopped')

    await controller.kubectl('scale', controller.deployment, '--replicas=0')
    await eventually('no Pod of the controller', async () => {
      const left = await controller.kubectl('get', 'pods', '-o', 'name')
      return left.trim() === ''
    })
    expect(await controller.holder()).toBe('')
  })

  test('it tells of its health and of what it does', async ({ namespace, faulty }) => {
    const pod = await controller.pod()
    const [repository = ''] = await pushMany(faulty, 1)
    await waitForStatus(cluster, await warm(namespace, [repository]), 'Succeeded')
    expect(await controller.get(pod, '/healthz')).toBe('ok')
    expect(await controller.get(pod, '/readyz')).toBe('ok')
    const metrics = await controller.get(pod, '/metrics')
    const names = [...metrics.matchAll(/^# TYPE (kubefledged_\w+) (\w+)$/gm)].map(
      ([, name, type]) => `${name} ${type}`,
    )
    expect(names.toSorted()).toEqual([
      'kubefledged_api_requests gauge',
      'kubefledged_imagecaches gauge',
      'kubefledged_images gauge',
      'kubefledged_jobs_in_flight gauge',
      'kubefledged_queue_depth gauge',
      'kubefledged_reconcile_duration_seconds histogram',
      'kubefledged_reconcile_total counter',
    ])
    const present = /^kubefledged_images\{state="Present"\} (\d+)$/m.exec(metrics)?.[1]
    expect(Number(present)).toBeGreaterThanOrEqual((await cluster.nodes()).length)
    expect(metrics).toMatch(/^kubefledged_reconcile_total\{controller="node",result="success"\} [1-9]/m)
  })

  test('SIGUSR2: it logs what its queues, Job slots, circuits and nodes wait for', async () => {
    const pod = await controller.pod()
    await controller.signal(pod, 'USR2')
    const dump = await eventually('the dump in its log', async () => {
      const lines = (await controller.logs(pod)).trim().split('\n')
      return lines
        .map(line => JSON.parse(line) as { msg: string; dump?: object })
        .find(({ msg }) => msg === 'dump')
    })
    expect(dump.dump).toEqual({
      queues: expect.objectContaining({
        node: { size: expect.any(Number), longestMs: expect.any(Number) },
      }),
      slots: { limit: expect.any(Number), used: expect.any(Object), waiting: expect.any(Array) },
      circuits: {
        registries: expect.any(Array),
        namespaces: expect.any(Array),
        silentForController: expect.any(Array),
      },
      waits: expect.any(Array),
    })
    expect(await controller.get(pod, '/healthz')).toBe('ok')
  })
})
