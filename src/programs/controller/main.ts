import type { pino } from 'pino'
import { VERSION } from '../../base/version.ts'
import { CacheReconciler } from '../../controllers/caches/cache-reconciler.ts'
import { enqueueOnChange } from '../../controllers/enqueue-on-change.ts'
import { NodeImagesWriter } from '../../controllers/nodes/node-images-writer.ts'
import { NodeReconciler } from '../../controllers/nodes/node-reconciler.ts'
import { WaitLog } from '../../controllers/nodes/wait-log.ts'
import { OldJobs } from '../../controllers/old-jobs/old-jobs.ts'
import { Refresher } from '../../controllers/refresh/refresher.ts'
import {
  Admission,
  JobEngine,
  JobSlots,
  JobState,
  JobWriter,
  ownPullSecrets,
} from '../../engines/jobs/index.ts'
import {
  type Controller,
  EventRecorder,
  InformerSet,
  KubeClient,
  WorkQueue,
  loadConfig,
  runControllers,
  runWithLeaderElection,
} from '../../kube/index.ts'
import { RegistryClient } from '../../oci/registry/index.ts'
import { dumpOnSignal } from '../../process/dump.ts'
import { serveHttp } from '../../process/http-server.ts'
import { livenessProblem } from '../../process/liveness.ts'
import { runUntilStopped } from '../../process/long-running.ts'
import { CircuitBreaker } from '../../state/circuit-breaker.ts'
import { ClusterAddresses } from '../../state/cluster-addresses.ts'
import { ClusterState } from '../../state/cluster-state.ts'
import { PullSecrets } from '../../state/pull-secrets.ts'
import { TagResolver } from '../../state/tag-resolver.ts'
import { Metrics } from './metrics.ts'
import { type ControllerOptions, parseControllerOptions } from './options.ts'
import { OtherController, newIdentity } from './other-controller.ts'

/** Name of the Lease that the leader holds, and of the component in events. */
const COMPONENT = 'kubefledged-controller'
/** How long what was recorded may take to be written when the controller stops. */
const FLUSH_MS = 2_000

/** Runs the controller until it is told to stop. Resolves to the exit code. Throws `UsageError`. */
export async function runController(argv: readonly string[]): Promise<number> {
  return runUntilStopped(COMPONENT, parseControllerOptions(argv, process.env), run)
}

/** Queues by the name of their controller. */
function makeQueues() {
  return {
    node: new WorkQueue<string>(),
    cache: new WorkQueue<string>(),
    refresh: new WorkQueue<string>(),
    tag: new WorkQueue<string>(),
    oldJob: new WorkQueue<string>(),
    address: new WorkQueue<string>(),
  }
}

async function run(options: ControllerOptions, log: pino.Logger, stop: AbortController): Promise<void> {
  const { signal } = stop
  const config = loadConfig({ kubeconfig: options.kubeconfig, master: options.master })
  const client = new KubeClient(config, {
    qps: options.kubeApiQps,
    burst: options.kubeApiBurst,
    userAgent: `${COMPONENT}/${VERSION}`,
  })
  const cluster = new ClusterState(client, {
    defaultPolicy: options.imagePullPolicy,
    allowed: options.jobTemplateAllow,
    log,
  })
  const jobs = new JobState(client, cluster, { namespace: options.namespace, log })
  const informers = new InformerSet([...cluster.informers, ...jobs.informers])
  const queues = makeQueues()
  const metrics = new Metrics(client, { cluster, jobs, queues })
  await serveHttp(
    options.metricsBindAddress,
    {
      problem: () => livenessProblem(informers.members, queues),
      isReady: () => informers.hasSynced,
      metrics: async () => ({
        contentType: metrics.registry.contentType,
        body: await metrics.registry.metrics(),
      }),
    },
    signal,
  )
  const watching = informers.run(signal)
  const apiServer = new URL(config.server).hostname
  const events = new EventRecorder(client, { component: COMPONENT, log })
  const others = new OtherController({
    client,
    events,
    namespace: options.namespace,
    podName: options.podName,
    log,
  })
  const lead = (leading: AbortSignal, ledBeforeAt?: string) =>
    work({
      options,
      log,
      client,
      apiServer,
      events,
      cluster,
      jobs,
      informers,
      queues,
      metrics,
      ledBeforeAt,
      signal: leading,
    })
  try {
    await (options.leaderElect
      ? runWithLeaderElection({
          client,
          namespace: options.namespace,
          name: COMPONENT,
          scope: 'cluster',
          identity: newIdentity(options.podName, options.namespace),
          signal,
          lead,
          onWaiting: leader => others.note(leader),
          // A restart discards memory that may be stale.
          onLost: () => stop.abort(),
          log,
        })
      : lead(signal))
  } finally {
    stop.abort()
    await watching
    client.close()
  }
}

interface Leadership {
  readonly options: ControllerOptions
  readonly log: pino.Logger
  readonly client: KubeClient
  /** Host of the API server. */
  readonly apiServer: string
  readonly events: EventRecorder
  readonly cluster: ClusterState
  readonly jobs: JobState
  readonly informers: InformerSet
  readonly queues: ReturnType<typeof makeQueues>
  readonly metrics: Metrics
  /** When another process was last seen to lead, RFC 3339. Undefined where none was. */
  readonly ledBeforeAt: string | undefined
  readonly signal: AbortSignal
}

/** What one controller of a cluster does at a time. Ends when the signal fires, after running reconciles have ended. */
async function work(leadership: Leadership): Promise<void> {
  const { log, client, cluster, events, jobs, informers, queues, metrics, signal } = leadership
  const version = await client.serverVersion(signal)
  await informers.waitForSync(signal)
  const addresses = new ClusterAddresses(client, leadership.apiServer, log)
  await addresses.read(signal)
  queues.address.add('cluster addresses')
  const helperPullSecrets = await ownPullSecrets(client, leadership.options, signal)
  const breaker = new CircuitBreaker()
  const slots = new JobSlots({
    inFlight: () => jobs.inFlight(),
    nodeCount: () => cluster.nodeInformer.size,
    maxSurge: leadership.options.jobsMaxSurge,
    wake: node => queues.node.add(node),
  })
  const waits = new WaitLog(log)
  const controllers = makeControllers(leadership, {
    addresses,
    breaker,
    slots,
    waits,
    helperPullSecrets,
    serverMinor: version.minor,
  })
  enqueueOnChange({
    cluster,
    jobs,
    slots,
    breaker,
    queues: {
      nodes: queues.node,
      caches: queues.cache,
      refreshes: queues.refresh,
      oldJobs: queues.oldJob,
    },
  })
  dumpOnSignal(
    () => ({
      queues: Object.fromEntries(
        Object.entries(queues).map(([name, queue]) => [
          name,
          { size: queue.size, longestMs: queue.longestHandlerMs },
        ]),
      ),
      slots: slots.dump(),
      circuits: breaker.dump(cluster.now()),
      waits: waits.dump(),
    }),
    log,
    signal,
  )
  log.info({ kubernetes: version.gitVersion, nodes: cluster.nodeInformer.size }, 'leading')
  await runControllers(controllers, {
    signal,
    measure: (controller, reconcile) => metrics.measure(controller, reconcile),
    onError: (controller, key, err) =>
      log.warn({ controller, key, err }, 'reconcile failed; it will be tried again'),
  })
  await events
    .flush(AbortSignal.timeout(FLUSH_MS))
    .catch((err: unknown) => log.warn({ err }, 'events were lost'))
}

/** The controllers, each with the number of keys that it reconciles at the same time. */
function makeControllers(
  { options, log, client, cluster, events, jobs: state, queues, ledBeforeAt }: Leadership,
  {
    addresses,
    breaker,
    slots,
    waits,
    helperPullSecrets,
    serverMinor,
  }: {
    readonly addresses: ClusterAddresses
    readonly breaker: CircuitBreaker
    readonly slots: JobSlots
    readonly waits: WaitLog
    /** Names of the pull secrets of the controller's own Pod. */
    readonly helperPullSecrets: readonly string[]
    readonly serverMinor: number
  },
): readonly Controller[] {
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
      userAgent: `${COMPONENT}/${VERSION}`,
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
  const caches = new CacheReconciler({ cluster, events, purgeDeadlineMs: options.purgeDeadlineMs, log })
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
    writer: new NodeImagesWriter(cluster),
    breaker,
    isPulledElsewhere: (host, nodeName) => state.isPulledElsewhere(host, nodeName),
    refreshes: refresher.refreshes,
    tagAnswers: () => tags.answers,
    recheckIntervalMs: options.recheckIntervalMs,
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
  ]
}
