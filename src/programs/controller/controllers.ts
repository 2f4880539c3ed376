import type { pino } from 'pino'
import { CacheCounts } from '../../controllers/caches/cache-counts.ts'
import { CacheReconciler } from '../../controllers/caches/cache-reconciler.ts'
import { Healer } from '../../controllers/healing/healer.ts'
import { NodeImagesWriter } from '../../controllers/nodes/node-images-writer.ts'
import { NodeReconciler } from '../../controllers/nodes/node-reconciler.ts'
import type { WaitLog } from '../../controllers/nodes/wait-log.ts'
import { OldJobs } from '../../controllers/old-jobs/old-jobs.ts'
import { Refresher } from '../../controllers/refresh/refresher.ts'
import { Admission, JobEngine, type JobSlots, type JobState, JobWriter } from '../../engines/jobs/index.ts'
import { type Controller, type EventRecorder, type KubeClient, WorkQueue } from '../../kube/index.ts'
import { RegistryClient } from '../../oci/registry/index.ts'
import type { CircuitBreaker } from '../../state/circuit-breaker.ts'
import type { ClusterAddresses } from '../../state/cluster-addresses.ts'
import type { ClusterState } from '../../state/cluster-state.ts'
import { PullSecrets } from '../../state/pull-secrets.ts'
import { RetryCalls } from '../../state/retry-calls.ts'
import { TagResolver } from '../../state/tag-resolver.ts'
import type { ControllerOptions } from './options.ts'

/** Part of the requests to the API server that writes of NodeImages may take. */
const WRITE_SHARE = 0.6

/** The work queues, by the name of their controller. */
export type Queues = ReturnType<typeof makeQueues>

/** Makes the work queues. */
export function makeQueues() {
  return {
    node: new WorkQueue<string>(),
    cache: new WorkQueue<string>(),
    refresh: new WorkQueue<string>(),
    tag: new WorkQueue<string>(),
    oldJob: new WorkQueue<string>(),
    address: new WorkQueue<string>(),
    healing: new WorkQueue<string>(),
  }
}

/** What the controllers work with. */
interface Parts {
  readonly options: ControllerOptions
  readonly log: pino.Logger
  readonly client: KubeClient
  /** HTTP User-Agent for registries. */
  readonly userAgent: string
  readonly events: EventRecorder
  readonly cluster: ClusterState
  readonly jobs: JobState
  readonly queues: Queues
  readonly addresses: ClusterAddresses
  readonly breaker: CircuitBreaker
  readonly slots: JobSlots
  readonly waits: WaitLog
  /** Names of the pull secrets of the controller's own Pod. */
  readonly helperPullSecrets: readonly string[]
  /** Minor version of the API server. */
  readonly serverMinor: number
  /** When another process was last seen to lead, RFC 3339. Undefined where none was. */
  readonly ledBeforeAt: string | undefined
}

/** The controllers, each with the number of keys that it reconciles at the same time. */
export function makeControllers({
  options,
  log,
  client,
  userAgent,
  events,
  cluster,
  jobs: state,
  queues,
  addresses,
  breaker,
  slots,
  waits,
  helperPullSecrets,
  serverMinor,
  ledBeforeAt,
}: Parts): readonly Controller[] {
  const writer = new JobWriter(client, {
    cluster,
    state,
    breaker,
    log,
    onRecovery: () => {
      for (const node of cluster.nodeInformer.list()) queues.node.add(node.metadata.name)
    },
  })
  const tags = new TagResolver({
    registry: new RegistryClient({
      userAgent,
      insecureHosts: new Set(options.insecureRegistries),
      blocked: address => addresses.has(address),
      log,
    }),
    breaker,
    ...(options.readPullSecrets && { pullSecrets: new PullSecrets(client, log) }),
    now: cluster.now,
    enqueue: key => queues.tag.add(key),
    wake: node => queues.node.add(node),
    log,
  })
  const caches = new CacheReconciler({
    cluster,
    counts: new CacheCounts(cluster),
    events,
    purgeDeadlineMs: options.purgeDeadlineMs,
    log,
  })
  const refresher = new Refresher({
    cluster,
    tags,
    frequencyMs: options.imageCacheRefreshFrequencyMs,
    ...(ledBeforeAt !== undefined && { ledBeforeAt }),
    onNeed: (node, cache) => {
      queues.node.add(node)
      caches.beginRefresh(cache)
      queues.cache.add(cache)
    },
    log,
  })
  const retryCalls = new RetryCalls()
  const healer = new Healer({
    cluster,
    tags,
    calls: retryCalls,
    frequencyMs: options.imageCacheRefreshFrequencyMs,
    wake: node => queues.node.add(node),
    log,
  })
  const engine = new JobEngine({
    state,
    writer,
    admission: new Admission(slots, breaker),
    breaker,
    tags,
    pulls: {
      helperImage: options.busyboxImage,
      helperPullSecrets,
      pullDeadlineMs: options.imagePullDeadlineMs,
      retainJobs: options.jobRetentionPolicy === 'retain',
      serviceAccountName: options.serviceAccountName,
      priorityClassName: options.jobPriorityClassName,
    },
    pullMethod: options.jobPullMethod,
    removals: {
      namespace: options.namespace,
      criClientImage: options.criClientImage,
      helperPullSecrets,
      criSocketPath: options.criSocketPath,
      hostNetwork: options.imageDeleteJobHostNetwork,
      deadlineMs: options.imagePullDeadlineMs,
      priorityClassName: options.jobPriorityClassName,
    },
    ownImages: [options.busyboxImage, options.criClientImage],
    serverMinor,
    log,
  })
  const nodes = new NodeReconciler({
    cluster,
    engine,
    writer: new NodeImagesWriter(cluster, WRITE_SHARE * options.kubeApiQps),
    breaker,
    isPulledElsewhere: (host, nodeName) => state.isPulledElsewhere(host, nodeName),
    refreshes: refresher.refreshes,
    tagAnswers: () => tags.answers,
    recheckIntervalMs: options.recheckIntervalMs,
    retryCalls,
    waits,
    log,
  })
  const oldJobs = new OldJobs(state, writer, log)
  return [
    {
      name: 'node',
      queue: queues.node,
      workers: 16,
      reconcile: (key, cutOff) => nodes.reconcile(key, cutOff),
    },
    {
      name: 'cache',
      queue: queues.cache,
      workers: 4,
      reconcile: (key, cutOff) => caches.reconcile(key, cutOff),
    },
    {
      name: 'refresh',
      queue: queues.refresh,
      workers: 4,
      reconcile: (key, cutOff) => refresher.reconcile(key, cutOff),
    },
    { name: 'tag', queue: queues.tag, workers: 16, reconcile: (key, cutOff) => tags.reconcile(key, cutOff) },
    {
      name: 'oldJob',
      queue: queues.oldJob,
      workers: 1,
      reconcile: (key, cutOff) => oldJobs.reconcile(key, cutOff),
    },
    {
      name: 'address',
      queue: queues.address,
      workers: 1,
      reconcile: (key, cutOff) => addresses.reconcile(key, cutOff),
    },
    {
      name: 'healing',
      queue: queues.healing,
      workers: 4,
      reconcile: (key, cutOff) => healer.reconcile(key, cutOff),
    },
  ]
}
