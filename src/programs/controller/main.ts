import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { pino } from 'pino'
import { RegistryHealth } from '../../core/ledger/index.ts'
import { EventRecorder, KubeClient, WorkQueue, loadConfig, runWithLeaderElection } from '../../kube/index.ts'
import { runUntilStopped } from '../../process/long-running.ts'
import { livenessProblem } from '../../process/liveness.ts'
import { VERSION } from '../../base/version.ts'
import { RegistryClient } from '../../oci/registry/index.ts'
import { CacheReconciler } from '../../controllers/caches/cache-reconciler.ts'
import { serveHttp } from '../../process/http-server.ts'
import { ClusterAddresses } from '../../state/cluster-addresses.ts'
import { ownPullSecrets } from '../../engines/jobs/helper-secrets.ts'
import { JobWriter } from '../../engines/jobs/job-writer.ts'
import { Metrics } from './metrics.ts'
import { NodeReconciler } from '../../controllers/nodes/node-reconciler.ts'
import { OldJobs } from '../../controllers/old-jobs/old-jobs.ts'
import { type ControllerOptions, parseControllerOptions } from './options.ts'
import { PullSecrets } from '../../state/pull-secrets.ts'
import { Remover } from '../../engines/jobs/remover.ts'
import { Refresher } from '../../controllers/refresh/refresher.ts'
import { RefusedNamespaces } from '../../engines/jobs/refused-namespaces.ts'
import { JobSlots } from '../../engines/jobs/job-slots.ts'
import { TagResolver } from '../../state/tag-resolver.ts'
import { type Queues, connect } from '../../controllers/enqueue-on-change.ts'
import { ClusterState } from '../../state/cluster-state.ts'

/** Name of the Lease that the leader holds, and of the component in events. */
const COMPONENT = 'kubefledged-controller'
const NODE_WORKERS = 16
const CACHE_WORKERS = 4
const REFRESH_WORKERS = 4
const QUESTION_WORKERS = 16
/** How long what was recorded may take to be written when the controller stops. */
const FLUSH_MS = 2_000

/** Runs the controller until it is told to stop. Resolves to the exit code; throws `UsageError`. */
export async function runController(argv: readonly string[]): Promise<number> {
  return runUntilStopped(COMPONENT, parseControllerOptions(argv, process.env), run)
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
    namespace: options.namespace,
    defaultPolicy: options.imagePullPolicy,
    allowed: options.jobTemplateAllow,
    log,
  })
  const queues = {
    nodes: new WorkQueue<string>(),
    caches: new WorkQueue<string>(),
    refreshes: new WorkQueue<string>(),
    questions: new WorkQueue<string>(),
    oldJobs: new WorkQueue<string>(),
  }
  const metrics = new Metrics(client, cluster, queues)
  await serveHttp(
    options.metricsBindAddress,
    {
      problem: () => livenessProblem(cluster.informers, queues),
      isReady: () => cluster.hasSynced,
      metrics: async () => ({
        contentType: metrics.registry.contentType,
        body: await metrics.registry.metrics(),
      }),
    },
    signal,
  )
  const watching = cluster.run(signal)
  const apiServer = new URL(config.server).hostname
  const lead = (leading: AbortSignal, ledBeforeAt?: string) =>
    work({ options, log, client, apiServer, cluster, queues, metrics, ledBeforeAt, signal: leading })
  try {
    await (options.leaderElect
      ? runWithLeaderElection({
          client,
          namespace: options.namespace,
          name: COMPONENT,
          identity: `${hostname()}_${randomUUID()}`,
          signal,
          lead,
          // A process that starts anew knows nothing that is no longer true.
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
  /** Host of its URL. */
  readonly apiServer: string
  readonly cluster: ClusterState
  readonly queues: Queues
  readonly metrics: Metrics
  /** When another process was last seen to lead, RFC 3339; undefined where none was. */
  readonly ledBeforeAt: string | undefined
  readonly signal: AbortSignal
}

/** What only one controller of a cluster does. Ends when the signal fires, after running reconciles have ended. */
async function work({
  options,
  log,
  client,
  apiServer,
  cluster,
  queues,
  metrics,
  ledBeforeAt,
  signal,
}: Leadership): Promise<void> {
  const version = await client.serverVersion(signal)
  await cluster.waitForSync(signal)
  const addresses = new ClusterAddresses(client, apiServer, log)
  await addresses.read(signal)
  const helperPullSecrets = await ownPullSecrets(client, options, signal)
  const upkeep = new WorkQueue<string>()
  upkeep.add('cluster addresses')
  const events = new EventRecorder(client, { component: COMPONENT, log })
  const refused = { pulls: new RefusedNamespaces(), removals: new RefusedNamespaces() }
  const registries = new RegistryHealth()
  const slots = new JobSlots({
    inFlight: () => cluster.jobsInFlight(),
    nodeCount: () => cluster.nodeInformer.size,
    maxSurge: options.jobsMaxSurge,
    wake: node => queues.nodes.add(node),
  })
  const jobs = new JobWriter(client, cluster, refused, log, () => {
    for (const node of cluster.nodeInformer.list()) queues.nodes.add(node.metadata.name)
  })
  const caches = new CacheReconciler({
    cluster,
    events,
    purgeDeadlineMs: options.purgeDeadlineMs,
    log,
  })
  const questions = new TagResolver({
    registry: new RegistryClient({
      userAgent: `${COMPONENT}/${VERSION}`,
      insecureHosts: new Set(options.insecureRegistries),
      blocked: address => addresses.has(address),
      log,
    }),
    ...(options.readPullSecrets && { pullSecrets: new PullSecrets(client, log) }),
    now: cluster.now,
    enqueue: key => queues.questions.add(key),
    wake: node => queues.nodes.add(node),
    log,
  })
  const refresher = new Refresher({
    cluster,
    questions,
    frequencyMs: options.imageCacheRefreshFrequencyMs,
    ...(ledBeforeAt !== undefined && { ledBeforeAt }),
    onNeed: (node, cache) => {
      queues.nodes.add(node)
      caches.beginRefresh(cache)
      queues.caches.add(cache)
    },
    log,
  })
  const remover = new Remover({
    cluster,
    jobs,
    slots,
    refused: refused.removals,
    settings: {
      namespace: options.namespace,
      criClientImage: options.criClientImage,
      helperPullSecrets,
      criSocketPath: options.criSocketPath,
      hostNetwork: options.imageDeleteJobHostNetwork,
      deadlineMs: options.imagePullDeadlineMs,
      priorityClassName: options.jobPriorityClassName,
    },
    ownImages: [options.busyboxImage, options.criClientImage],
    log,
  })
  const nodes = new NodeReconciler({
    cluster,
    jobs,
    slots,
    remover,
    registries,
    refused: refused.pulls,
    refreshes: refresher.refreshes,
    questions,
    settings: {
      helperImage: options.busyboxImage,
      helperPullSecrets,
      pullDeadlineMs: options.imagePullDeadlineMs,
      recheckIntervalMs: options.recheckIntervalMs,
      retainJobs: options.jobRetentionPolicy === 'retain',
      serviceAccountName: options.serviceAccountName,
      priorityClassName: options.jobPriorityClassName,
    },
    pullMethod: options.jobPullMethod,
    serverMinor: version.minor,
    log,
  })
  const oldJobs = new OldJobs(cluster, jobs, log)
  connect(cluster, queues, registries, slots)
  log.info({ kubernetes: version.gitVersion, nodes: cluster.nodeInformer.size }, 'leading')
  const onError = (key: string, err: unknown) =>
    log.warn({ key, err }, 'reconcile failed; it will be tried again')
  await Promise.all([
    queues.nodes.run({
      workers: NODE_WORKERS,
      handler: (key, cutOff) => metrics.measure('node', () => nodes.reconcile(key, cutOff)),
      signal,
      onError,
    }),
    queues.caches.run({
      workers: CACHE_WORKERS,
      handler: (key, cutOff) => metrics.measure('cache', () => caches.reconcile(key, cutOff)),
      signal,
      onError,
    }),
    queues.refreshes.run({
      workers: REFRESH_WORKERS,
      handler: (key, cutOff) => metrics.measure('refresh', () => refresher.reconcile(key, cutOff)),
      signal,
      onError,
    }),
    queues.questions.run({
      workers: QUESTION_WORKERS,
      handler: (key, cutOff) => metrics.measure('question', () => questions.reconcile(key, cutOff)),
      signal,
      onError,
    }),
    queues.oldJobs.run({
      workers: 1,
      handler: (key, cutOff) => metrics.measure('oldJob', () => oldJobs.reconcile(key, cutOff)),
      signal,
      onError,
    }),
    upkeep.run({
      workers: 1,
      handler: (key, cutOff) => addresses.reconcile(key, cutOff),
      signal,
      onError,
    }),
  ])
  await events
    .flush(AbortSignal.timeout(FLUSH_MS))
    .catch((err: unknown) => log.warn({ err }, 'events were lost'))
}
