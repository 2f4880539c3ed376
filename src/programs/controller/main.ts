import type { pino } from 'pino'
import { VERSION } from '../../base/version.ts'
import { enqueueOnChange } from '../../controllers/enqueue-on-change.ts'
import { WaitLog } from '../../controllers/nodes/wait-log.ts'
import { JobSlots, JobState, ownPullSecrets } from '../../engines/jobs/index.ts'
import {
  EventRecorder,
  InformerSet,
  KubeClient,
  loadConfig,
  runControllers,
  runWithLeaderElection,
} from '../../kube/index.ts'
import { dumpOnSignal } from '../../process/dump.ts'
import { serveHttp } from '../../process/http-server.ts'
import { livenessProblem } from '../../process/liveness.ts'
import { runUntilStopped } from '../../process/long-running.ts'
import { CircuitBreaker } from '../../state/circuit-breaker.ts'
import { ClusterAddresses } from '../../state/cluster-addresses.ts'
import { ClusterState } from '../../state/cluster-state.ts'
import { type Queues, makeControllers, makeQueues } from './controllers.ts'
import { Metrics } from './metrics.ts'
import { type ControllerOptions, parseControllerOptions } from './options.ts'
import { OtherController, newIdentity } from './other-controller.ts'

/**
 * The controller: keeps the images of ImageCaches on the nodes.
 * This file starts the process and the leader's work. `controllers.ts` connects the reconcilers.
 */

/** Name of the leader's Lease, and of the component in events. */
const COMPONENT = 'kubefledged-controller'
const USER_AGENT = `${COMPONENT}/${VERSION}`
/** Greatest time to write recorded events when the controller stops. */
const FLUSH_MS = 2_000

/** Runs the controller until it is told to stop. Resolves to the exit code. Throws `UsageError`. */
export async function runController(argv: readonly string[]): Promise<number> {
  return runUntilStopped(COMPONENT, parseControllerOptions(argv, process.env), run)
}

async function run(options: ControllerOptions, log: pino.Logger, stop: AbortController): Promise<void> {
  const { signal } = stop
  const config = loadConfig({ kubeconfig: options.kubeconfig, master: options.master })
  const client = new KubeClient(config, {
    qps: options.kubeApiQps,
    burst: options.kubeApiBurst,
    userAgent: USER_AGENT,
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

/** What the leader works with. */
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
  readonly queues: Queues
  readonly metrics: Metrics
  /** When another process was last seen to lead, RFC 3339. Undefined where none was. */
  readonly ledBeforeAt: string | undefined
  readonly signal: AbortSignal
}

/** The leader's work. Resolves when the signal has fired and the running reconciles have ended. */
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
    isShared: () => jobs.isShared(),
    wake: node => queues.node.add(node),
  })
  const waits = new WaitLog(log)
  const controllers = makeControllers({
    ...leadership,
    userAgent: USER_AGENT,
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
      healing: queues.healing,
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
