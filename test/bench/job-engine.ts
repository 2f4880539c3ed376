import { imageCacheOf } from '../builders/image-cache.ts'
/**
 * `npm run bench`: how long 50 new images of 2 MB take to reach every node of a cluster by the Job engine,
 * what that costs, and how long a purge takes to remove them, against the nodes' runtimes pulling and
 * removing equal images by hand in the same run. The cluster is the one of `make cluster-up`; the product
 * is installed where it is not.
 */
import { requestsBetween } from '../harness/api-requests.ts'
import { connectCluster, eventually, uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import { beyondIdle, measureIdle } from './api-load.ts'
import { ALLOWED_MS, clear, hasAll, install, line, megabytes, ownRequests } from './common.ts'
import { pullByRuntime, removeByRuntime } from './floor.ts'

const IMAGES = 50
const IMAGE_BYTES = 2_000_000
const IDLE_SECONDS = 15
const MAX_KINDS = 12
/** kube-fledged 0.10 on a cluster like this one. */
const KUBE_FLEDGED = { onNodes: 41.9, succeeded: 61.7, requests: 40.8, megabytes: 38 }

const cluster = await connectCluster()
const controller = await install(cluster)
const name = uniqueName('bench')
const nodes = await cluster.nodes()
const pairs = nodes.length * IMAGES

console.log(
  `${IMAGES} images of ${IMAGE_BYTES / 1e6} MB on ${nodes.length} nodes; pushing three sets of them`,
)
const [serialSet, parallelSet, cacheSet] = await Promise.all(['serial', 'parallel', 'cache'].map(push))
try {
  const serial = await pullByRuntime(cluster, nodes, serialSet ?? [], 1)
  const parallel = await pullByRuntime(cluster, nodes, parallelSet ?? [], 4)
  report(await measure(cacheSet ?? []), { serial, parallel })
  await idleNodes()
  const byHand = await removeByRuntime(cluster, nodes, parallelSet ?? [])
  reportPurge(await purge(cacheSet ?? []), byHand)
} finally {
  await clear(cluster, name)
}

interface Measured {
  readonly onNodes: number
  readonly succeeded: number
  readonly requests: number
  readonly byKind: ReadonlyMap<string, number>
  readonly ownRequests: ReadonlyMap<string, number>
  readonly memory: { now: number; most: number }
}

async function measure(images: readonly string[]): Promise<Measured> {
  console.log(`measuring the idle cluster for ${IDLE_SECONDS} s`)
  const idle = await measureIdle(cluster, IDLE_SECONDS)
  const pod = await controller.pod()
  await cluster.kubectl(['create', 'namespace', name])
  const ownBefore = ownRequests(await controller.metrics(pod))
  const before = await cluster.apiRequestTotal()
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  await cluster.apply(imageCacheOf({ name, namespace: name }, { cacheSpec: [{ images: [...images] }] }))
  const [onNodes, succeeded] = await Promise.all([
    Promise.all(nodes.map(node => hasAll(cluster, node, images))).then(seconds),
    // One watch, not a poll that would count among the requests.
    cluster
      .kubectl(
        [
          '-n',
          name,
          'wait',
          '--for=jsonpath={.status.status}=Succeeded',
          `imagecache/${name}`,
          '--timeout=300s',
        ],
        { timeoutMs: ALLOWED_MS },
      )
      .then(seconds),
  ])
  await eventually(
    'the Jobs and their Pods to go',
    async () => {
      const left = await cluster.kubectl(['-n', name, 'get', 'jobs,pods', '-o', 'name'])
      return left.trim() === ''
    },
    { everyMs: 2_000 },
  )
  const { total, byKind } = beyondIdle(
    requestsBetween(before, await cluster.apiRequestTotal()),
    idle,
    seconds(),
  )
  const ownAfter = ownRequests(await controller.metrics(pod))
  return {
    onNodes,
    succeeded,
    requests: total,
    byKind,
    ownRequests: new Map([...ownAfter].map(([verb, count]) => [verb, count - (ownBefore.get(verb) ?? 0)])),
    memory: await controller.memory(pod),
  }
}

/** Pods that are gone leave containers to their kubelets for a while, which hold images. */
async function idleNodes(): Promise<void> {
  await eventually('the pull Pods to go', async () => {
    const pods = await cluster.kubectl(['-n', name, 'get', 'pods', '-o', 'name'])
    return pods.trim() === ''
  })
}

interface Purged {
  readonly offNodes: number
  readonly succeeded: number
  readonly requests: number
}

async function purge(images: readonly string[]): Promise<Purged> {
  const before = await cluster.apiRequestTotal()
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  await cluster.kubectl(['-n', name, 'annotate', 'imagecache', name, 'kubefledged.io/purge-imagecache='])
  const wait = (path: string) =>
    cluster.kubectl(['-n', name, 'wait', `--for=jsonpath=${path}`, `imagecache/${name}`, '--timeout=300s'], {
      timeoutMs: ALLOWED_MS,
    })
  const [offNodes, succeeded] = await Promise.all([
    Promise.all(nodes.map(node => hasNone(node, images))).then(seconds),
    wait('{.status.reason}=ImageCachePurge')
      .then(() => wait('{.status.status}=Succeeded'))
      .then(seconds),
  ])
  const { total } = requestsBetween(before, await cluster.apiRequestTotal())
  return { offNodes, succeeded, requests: total }
}

function reportPurge({ offNodes, succeeded, requests }: Purged, byHand: number): void {
  const line = (what: string, value: string) => console.log(`${what.padEnd(34)}${value}`)
  line('purge: ctr by hand', `${byHand.toFixed(1)} s`)
  line('purge: all images off the nodes', `${offNodes.toFixed(1)} s`)
  line('purge: status Succeeded', `${succeeded.toFixed(1)} s`)
  line('  against ctr', `${(succeeded / byHand).toFixed(1)}x`)
  line('  API requests, all of them', requests.toFixed(0))
}

function report(measured: Measured, floor: { serial: number; parallel: number }): void {
  const { onNodes, succeeded, requests, byKind, ownRequests: own, memory } = measured
  const seconds = (value: number) => `${value.toFixed(1)} s`
  const times = (value: number) => `${value.toFixed(1)}x`
  const reference = (value: string) => `kube-fledged, measured elsewhere: ${value}`
  line('runtime alone, one by one', seconds(floor.serial))
  line('runtime alone, four at a time', seconds(floor.parallel))
  line('all images on the nodes', seconds(onNodes), reference(seconds(KUBE_FLEDGED.onNodes)))
  line('status Succeeded', seconds(succeeded), reference(seconds(KUBE_FLEDGED.succeeded)))
  line('  against one by one', times(succeeded / floor.serial))
  line('  against four at a time', times(succeeded / floor.parallel))
  line('  against kube-fledged', times(succeeded / KUBE_FLEDGED.succeeded))
  line('API requests', requests.toFixed(0))
  line('  per (node, image)', (requests / pairs).toFixed(2), reference(String(KUBE_FLEDGED.requests)))
  line("controller's memory", `${megabytes(memory.now)} MB`, reference(`${KUBE_FLEDGED.megabytes} MB`))
  line('  at most', `${megabytes(memory.most)} MB`)
  line("controller's own requests", [...own].map(([verb, count]) => `${verb} ${count}`).join(', '))
  console.log('API requests by kind, those of an idle cluster taken off:')
  for (const [kind, count] of [...byKind].toSorted(([, a], [, b]) => b - a).slice(0, MAX_KINDS)) {
    console.log(`${count.toFixed(0).padStart(7)}  ${kind}`)
  }
}

async function push(set: string): Promise<string[]> {
  const registry = cluster.openRegistry()
  const targets = Array.from({ length: IMAGES }, (_, index) => `${name}/${set}-${index}:1`)
  for (const target of targets) await pushImage(registry, target, { sizeBytes: IMAGE_BYTES })
  registry.close()
  return targets.map(target => `registry.test.local/${target}`)
}

async function hasNone(node: string, images: readonly string[]): Promise<void> {
  await eventually(
    `${IMAGES} images to go from ${node}`,
    async () => {
      const listed = await cluster.runtimeImages(node)
      return !images.some(image => listed.has(image))
    },
    { everyMs: 400, timeoutMs: ALLOWED_MS },
  )
}
