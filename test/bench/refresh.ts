/**
 * `npm run bench:refresh`: what the controller takes while nothing happens, what a round of the periodic
 * refresh costs with 100 moving tags when nothing has changed and when one tag has moved, and how long a
 * refresh by annotation takes to bring a moved tag to every node. The cluster is the one of `make
 * cluster-up`; the product is installed where it is not. The registry is this program: it counts what it is
 * asked.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { requestsBetween } from '../harness/api-requests.ts'
import { connectCluster, eventually, uniqueName } from '../harness/cluster.ts'
import { FaultyRegistry } from '../harness/faulty-registry.ts'
import { pushImage } from '../harness/image-builder.ts'
import { annotateRefresh, createCache, patchCache, waitForStatus } from '../harness/image-caches.ts'
import { type IdleRate, beyondIdle, measureIdle } from './api-load.ts'
import { clear, install, line, megabytes } from './common.ts'

const HOST = 'faulty.test.local'
const IMAGES = 100
const IMAGE_BYTES = 20_000
const IDLE_SECONDS = 120
const ROUND_SECONDS = 20
const ROUNDS = 3
/** How long the status may go on changing after the last pull: the nodes' own lists come late. */
const REST_MS = 45_000
const MAX_KINDS = 8
const ALLOWED_MS = 300_000
/** kube-fledged 0.10 on a cluster like this one: each round has a Job for every moving tag and node. */
const KUBE_FLEDGED_REQUESTS = 40.8

const cluster = await connectCluster()
const controller = await install(cluster)
const insecure = `--insecure-registries=${HOST}`
const name = uniqueName('bench')
const nodes = await cluster.nodes()
const pairs = nodes.length * IMAGES
const repositories = Array.from({ length: IMAGES }, (_, index) => `${name}/image-${index}`)
const reference = (repository: string) => `${HOST}/${repository}:latest`

const registry = await FaultyRegistry.start(cluster.local)
try {
  await registry.openPort80(cluster.local)
  await controller.addArgument(insecure)
  await measure()
} finally {
  await controller.removeArgument(insecure)
  await clear(cluster, name)
  await registry.stop()
}

async function measure(): Promise<void> {
  console.log(`${IMAGES} images with the tag latest on ${nodes.length} nodes`)
  for (const repository of repositories) await move(repository, 'first')
  await cluster.kubectl(['create', 'namespace', name])
  const cacheSpec = [{ images: repositories.map(reference) }]
  const cache = await createCache(cluster, name, { cacheSpec, refresh: { suspend: true } })
  await waitForStatus(cluster, cache, 'Succeeded', { timeoutMs: ALLOWED_MS })
  await delay(REST_MS)

  const idle = await measureIdleController()
  await patchCache(cluster, cache, { spec: { refresh: { suspend: null, interval: `${ROUND_SECONDS}s` } } })
  // The first round learns from the registry what the nodes were given; from the second on there is
  // something to compare with.
  await rounds(2)
  await waitForStatus(cluster, cache, 'Succeeded', { timeoutMs: ALLOWED_MS })
  await delay(REST_MS)
  const quiet = await costOf(idle, () => rounds(ROUNDS))
  reportRound('a round with nothing changed', quiet, ROUNDS)

  const [first = '', second = ''] = repositories
  const moved = await costOf(idle, async () => {
    const digest = await move(first, 'second')
    await onAllNodes(first, digest)
    await rounds(1)
  })
  reportRound('rounds with one tag moved', moved, 1)

  await patchCache(cluster, cache, { spec: { refresh: { suspend: true, interval: null } } })
  await waitForStatus(cluster, cache, 'Succeeded', { timeoutMs: ALLOWED_MS })
  await delay(REST_MS)
  const digest = await move(second, 'second')
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  await annotateRefresh(cluster, cache)
  const [onNodes, succeeded] = await Promise.all([
    onAllNodes(second, digest).then(seconds),
    waitForStatus(cluster, cache, 'Succeeded', { timeoutMs: ALLOWED_MS }).then(seconds),
  ])
  console.log('a refresh by annotation, which asks for every image again')
  line('  the moved tag on all nodes', `${onNodes.toFixed(1)} s`)
  line('  status Succeeded', `${succeeded.toFixed(1)} s`)
}

/** Lets the tag name another image; answers its digest. */
async function move(repository: string, seed: string): Promise<string> {
  const options = { sizeBytes: IMAGE_BYTES, seed: `${repository} ${seed}` }
  return (await pushImage(registry.store, `${repository}:latest`, options)).digest
}

async function onAllNodes(repository: string, digest: string): Promise<void> {
  const image = reference(repository)
  await eventually(
    `${digest} on every node`,
    async () => {
      const held = await Promise.all(nodes.map(node => cluster.runtimeDigest(node, image)))
      return held.every(found => found === digest)
    },
    { everyMs: 200, timeoutMs: ALLOWED_MS },
  )
}

/** Waits until the controller has asked for every image so many times more. */
async function rounds(count: number): Promise<void> {
  const asked = () => registry.log.filter(({ agent }) => agent.startsWith('kubefledged-controller')).length
  // A round that runs is not ours to count.
  await eventually('the end of a round', async () => asked() % IMAGES === 0, { everyMs: 50 })
  const end = asked() + count * IMAGES
  await eventually(`${count} rounds`, async () => asked() >= end, { everyMs: 200, timeoutMs: ALLOWED_MS })
  await delay(2_000)
}

async function measureIdleController(): Promise<IdleRate> {
  console.log(`measuring for ${IDLE_SECONDS} s while nothing happens`)
  const pod = await controller.pod()
  const before = await controller.cpuSeconds(pod)
  const began = performance.now()
  const idle = await measureIdle(cluster, IDLE_SECONDS)
  const elapsed = (performance.now() - began) / 1000
  const cpu = (await controller.cpuSeconds(pod)) - before
  const { now, most } = await controller.memory(pod)
  line("controller's memory", `${megabytes(now)} MB`, `at most ${megabytes(most)} MB`)
  line("controller's processor", `${((cpu / elapsed) * 100).toFixed(2)} %`, 'of a core')
  return idle
}

interface Cost {
  readonly requests: number
  readonly byKind: ReadonlyMap<string, number>
  readonly pods: number
  readonly asked: { readonly controller: number; readonly nodes: number }
}

async function costOf(idle: IdleRate, task: () => Promise<void>): Promise<Cost> {
  const asked = (who: string) => registry.log.filter(({ agent }) => agent.startsWith(who)).length
  const atFirst = { controller: asked('kubefledged-controller'), nodes: asked('containerd') }
  const before = await cluster.apiRequestTotal()
  const began = performance.now()
  await task()
  const raw = requestsBetween(before, await cluster.apiRequestTotal())
  const { total, byKind } = beyondIdle(raw, idle, (performance.now() - began) / 1000)
  return {
    requests: total,
    byKind,
    pods: raw.byKind.get('POST pods') ?? 0,
    asked: {
      controller: asked('kubefledged-controller') - atFirst.controller,
      nodes: asked('containerd') - atFirst.nodes,
    },
  }
}

function reportRound(what: string, { requests, byKind, pods, asked }: Cost, count: number): void {
  const each = (value: number) => (value / count).toFixed(1)
  console.log(count > 1 ? `${what}, the mean of ${count}` : what)
  line(
    '  registry requests, controller',
    each(asked.controller),
    `one for each of ${IMAGES} images: 1.0x is ${IMAGES}`,
  )
  line('  registry requests, nodes', each(asked.nodes))
  line('  Pods', each(pods), `kube-fledged: ${pairs}`)
  const theirs = KUBE_FLEDGED_REQUESTS * pairs
  const beside = `kube-fledged, measured elsewhere: ${theirs.toFixed(0)}; this is ${(requests / count / theirs).toFixed(4)}x`
  line('  API requests', each(requests), beside)
  for (const [kind, number] of [...byKind].toSorted(([, a], [, b]) => b - a).slice(0, MAX_KINDS)) {
    console.log(`${each(number).padStart(9)}  ${kind}`)
  }
}
