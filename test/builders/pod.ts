import type { PullJob } from '../../src/engines/jobs/pull/pull-job.ts'
import { COPY_CONTAINER, pullContainer, pullVolume } from '../../src/engines/jobs/pull/container-names.ts'
import { type PullPod, type RawPod, projectPod } from '../../src/engines/jobs/pull/pull-pod.ts'
import { HELPER, controlledBy } from './job.ts'
import { at } from './time.ts'

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
  /** Seconds by which the clock of the kubelet is ahead. */
  readonly skew?: number
  /** The admission plugin AlwaysPullImages is on. */
  readonly alwaysPulls?: boolean
  /** What a mesh adds: a container, or an init container. */
  readonly proxy?: { readonly place: 'first' | 'last' | 'init'; readonly state: RawState }
}

const PROXY = { name: 'proxy', image: 'mesh.test/proxy:1' }

/** The Pod of a Job, made and taken up by the kubelet one second after the Job was made. */
export function podOf(job: PullJob, options: PodOptions = {}): PullPod {
  const helper = options.helper ?? HELPER
  const byVolumes = job.method !== 'containers'
  const mounts = job.images.map((_, index) => ({ name: pullVolume(index) }))
  const names = [
    ...new Set(job.images.map((_, index) => pullContainer(job.method, index, job.images.length))),
  ]
  const { proxy, alwaysPulls = false } = options
  const imagePullPolicy = alwaysPulls ? 'Always' : 'IfNotPresent'
  const proxyAt = (place: 'first' | 'last' | 'init') => (proxy?.place === place ? [PROXY] : [])
  const proxyStatus = (isInit: boolean) =>
    proxy && (proxy.place === 'init') === isInit ? [{ name: PROXY.name, state: proxy.state }] : []
  const began = Date.parse(job.metadata.creationTimestamp ?? '') + 1000
  return projectPod({
    metadata: {
      name: `${job.metadata.name}-abcde`,
      namespace: job.metadata.namespace ?? '',
      creationTimestamp: new Date(began).toISOString(),
      labels: { 'batch.kubernetes.io/job-name': job.metadata.name },
      ownerReferences: [controlledBy(job)],
      ...(options.deleted && { deletionTimestamp: at(1) }),
    },
    spec: {
      nodeName: job.nodeName,
      ...(byVolumes &&
        !options.withoutVolumes && {
          volumes: job.images.map((reference, index) => ({ name: pullVolume(index), image: { reference } })),
        }),
      initContainers: [
        ...proxyAt('init'),
        ...(byVolumes ? [] : [{ name: COPY_CONTAINER, image: helper, imagePullPolicy }]),
      ],
      containers: [
        ...proxyAt('first'),
        ...names.map((name, index) => ({
          name,
          image: byVolumes ? helper : (job.images[index] ?? ''),
          imagePullPolicy,
          ...(byVolumes && {
            volumeMounts: job.method === 'batch' ? mounts : mounts.slice(index, index + 1),
          }),
        })),
        ...proxyAt('last'),
      ],
    },
    status: {
      phase: options.phase ?? 'Pending',
      ...(options.reason !== undefined && { reason: options.reason }),
      ...(options.message !== undefined && { message: options.message }),
      startTime: new Date(began + (options.skew ?? 0) * 1000).toISOString(),
      initContainerStatuses: [
        ...proxyStatus(true),
        ...(options.init ? [{ name: COPY_CONTAINER, state: options.init }] : []),
      ],
      containerStatuses: [
        ...proxyStatus(false),
        ...names.flatMap((name, index) => {
          const state = options.states?.[index]
          return state ? [{ name, imageID: options.imageIds?.[index] ?? '', state }] : []
        }),
      ],
    },
  })
}
