import type { ImageCache, ImageCacheSpec, ImageCacheStatus } from '../../../api/image-cache.ts'
import { type DesiredImage, type LedgerEntry, entryKey } from '../../../api/node-images.ts'
import type { KubeObject, OwnerReference } from '../../../api/object.ts'
import { type CompiledCache, compileCache } from '../../../core/demand/index.ts'
import { type NodeFacts, type RawNode, projectNode } from '../../../core/node/index.ts'
import type { JobSettings, NodeWork } from './node-work.ts'
import type { JobMethod, PullJob } from './pull-job.ts'
import { type PullPod, type RawPod, projectPod } from './pull-pod.ts'

/** Builders for the tests of the Job engine: each gives something valid, of which a test says only what it is about. */

/** When tests begin. */
export const T0 = Date.parse('2026-01-01T00:00:00.000Z')

/** RFC 3339, that many seconds after `T0`. */
export function at(seconds: number): string {
  return new Date(T0 + seconds * 1000).toISOString()
}

/** The operator's own image. */
export const HELPER = 'registry.test/kubefledged-busybox:1'

/** Settings of the engine. */
export const SETTINGS: JobSettings = {
  helperImage: HELPER,
  pullDeadlineMs: 300_000,
  recheckIntervalMs: 0,
  retainJobs: false,
  helperPullSecrets: [],
}

/** A Ready Linux node. Its list is full, so that it proves nothing, unless names of images are given. */
export function nodeOf(name: string, lists?: readonly string[][], heartbeatAt = at(0)): NodeFacts {
  const full = Array.from({ length: 50 }, (_, index) => [`elsewhere.test/other:${index}`])
  const raw: RawNode = {
    metadata: { name, uid: `uid-of-${name}`, labels: {} },
    status: {
      conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: heartbeatAt }],
      images: (lists ?? full).map(names => ({ names })),
      nodeInfo: {
        operatingSystem: 'linux',
        machineID: `machine-of-${name}`,
        kubeletVersion: 'v1.36.3',
        containerRuntimeVersion: 'containerd://2.3.7',
      },
    },
  }
  return projectNode(raw)
}

/** An ImageCache of one list. */
export function cacheOf(
  name: string,
  images: readonly string[],
  spec: Partial<ImageCacheSpec> = {},
  status: ImageCacheStatus = {},
): ImageCache {
  return {
    metadata: { name, namespace: 'team', uid: `uid-of-${name}`, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { cacheSpec: [{ images: [...images] }], ...spec },
    status,
  }
}

/** The same, compiled. */
export function compiledOf(
  name: string,
  images: readonly string[],
  spec: Partial<ImageCacheSpec> = {},
): CompiledCache {
  return compileCache(cacheOf(name, images, spec), 'IfNotPresent')
}

/** Images that a cache asks a node for, at `T0`. */
export function desiredOf(images: readonly string[], owner: CompiledCache): DesiredImage[] {
  return images.map(image => ({
    image,
    pullPolicy: 'IfNotPresent',
    owners: [owner.owner],
    requestedAt: at(0),
    ...(owner.credential !== undefined && { credential: owner.credential }),
  }))
}

/** A pull Job of the node `n1`. */
export function jobOf(images: readonly string[], method: JobMethod = 'batch', seconds = 0): PullJob {
  return {
    metadata: {
      name: 'cache-0123456789',
      namespace: 'team',
      uid: 'uid-of-job',
      creationTimestamp: at(seconds),
    },
    nodeName: 'n1',
    nodeUid: 'uid-of-n1',
    cache: 'team/cache',
    ownerUid: 'uid-of-cache',
    method,
    requestedAt: at(0),
    startedAt: at(seconds),
    images,
    finished: false,
  }
}

/** States of containers as the API gives them. */
export type RawState = NonNullable<
  NonNullable<NonNullable<RawPod['status']>['containerStatuses']>[number]['state']
>

/** What a test says about a Pod. */
export interface PodOptions {
  /** One for each container; absent where the kubelet has said nothing of it. */
  readonly states?: readonly (RawState | undefined)[]
  readonly init?: RawState
  readonly imageIds?: readonly string[]
  readonly phase?: string
  readonly reason?: string
  readonly message?: string
  readonly deleted?: boolean
  readonly helper?: string
  /** The API server dropped them. */
  readonly withoutVolumes?: boolean
}

/** The Pod of a Job, taken up by the kubelet one second after the Job was made. */
export function podOf(job: PullJob, options: PodOptions = {}): PullPod {
  const helper = options.helper ?? HELPER
  const byVolumes = job.method !== 'containers'
  const mounts = job.images.map((_, index) => ({ name: `image-${index}` }))
  const names =
    job.method === 'batch' ? ['imagepuller'] : job.images.map((_, index) => `imagepuller-${index}`)
  const began = Date.parse(job.metadata.creationTimestamp ?? '') + 1000
  return projectPod({
    metadata: {
      name: `${job.metadata.name}-abcde`,
      namespace: job.metadata.namespace ?? '',
      labels: { 'batch.kubernetes.io/job-name': job.metadata.name },
      ownerReferences: [controlledBy(job)],
      ...(options.deleted && { deletionTimestamp: at(1) }),
    },
    spec: {
      nodeName: job.nodeName,
      ...(byVolumes &&
        !options.withoutVolumes && {
          volumes: job.images.map((reference, index) => ({ name: `image-${index}`, image: { reference } })),
        }),
      ...(!byVolumes && { initContainers: [{ name: 'busybox', image: helper }] }),
      containers: names.map((name, index) => ({
        name,
        image: byVolumes ? helper : (job.images[index] ?? ''),
        ...(byVolumes && { volumeMounts: job.method === 'batch' ? mounts : mounts.slice(index, index + 1) }),
      })),
    },
    status: {
      phase: options.phase ?? 'Pending',
      ...(options.reason !== undefined && { reason: options.reason }),
      ...(options.message !== undefined && { message: options.message }),
      startTime: new Date(began).toISOString(),
      ...(options.init && { initContainerStatuses: [{ name: 'busybox', state: options.init }] }),
      containerStatuses: names.flatMap((name, index) => {
        const state = options.states?.[index]
        return state ? [{ name, imageID: options.imageIds?.[index] ?? '', state }] : []
      }),
    },
  })
}

/** What the job controller writes into a Pod. */
export function controlledBy({ metadata: { name, uid = '' } }: KubeObject): OwnerReference {
  return { apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true }
}

/** Work of the node `n1` for one cache; everything of it may start. */
export function workOf(cache: CompiledCache, changes: Partial<NodeWork> = {}): NodeWork {
  const desired = changes.desired ?? desiredOf(cache.cache.spec.cacheSpec[0]?.images ?? [], cache)
  return {
    node: nodeOf('n1'),
    desired,
    startable: new Set(desired.map(image => entryKey(image))),
    ledger: [],
    removing: new Set(),
    removalRuns: false,
    jobs: [],
    pods: [],
    caches: new Map([[cache.owner, cache]]),
    method: 'image-volumes',
    registries: { state: () => 'good', lastSuccess: () => undefined, mayProbe: () => true },
    isToBeAsked: () => false,
    refusedIn: () => undefined,
    admittedAt: () => undefined,
    refusedUntil: () => undefined,
    refusals: new Map(),
    settings: SETTINGS,
    now: T0,
    ...changes,
  }
}

/** An entry of a ledger that answers the request of `T0`. */
export function entryOf(image: string, changes: Partial<LedgerEntry> = {}): LedgerEntry {
  return { image, state: 'Present', requestedAt: at(0), verifiedAt: at(1), pulledByUs: true, ...changes }
}
