import { randomUUID } from 'node:crypto'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { pino } from 'pino'
import { serveHttp } from '../../process/http-server.ts'
import { EventRecorder, KubeClient, loadConfig, runWithLeaderElection, WorkQueue } from '../../kube/index.ts'
import { runUntilStopped } from '../../process/long-running.ts'
import { livenessProblem } from '../../process/liveness.ts'
import { VERSION } from '../../base/version.ts'
import { Helm } from '../../controllers/releases/helm.ts'
import { kubeFledgedKind } from '../../controllers/releases/kube-fledged.ts'
import { OperatorMetrics } from './metrics.ts'
import { ReleaseObjects } from '../../controllers/releases/objects.ts'
import { type OperatorOptions, parseOperatorOptions } from './options.ts'
import { ReleaseReconciler } from '../../controllers/releases/reconciler.ts'

/** The operator: installs kube-fledged with its Helm chart, as KubeFledged objects say. */

/** Name of the leader's Lease, and of the component in events. */
const COMPONENT = 'kubefledged-operator'
/** Greatest number of releases that are reconciled at the same time. */
const WORKERS = 2
/** Greatest time of one reconcile. Helm's runs in a row take up to 15 minutes. */
const RECONCILE_TIMEOUT_MS = 1_200_000
/** Greatest time to write recorded events when the operator stops. */
const FLUSH_MS = 2_000

/** Runs the operator until it is told to stop. Resolves to the exit code. Throws `UsageError`. */
export async function runOperator(argv: readonly string[]): Promise<number> {
  return runUntilStopped(COMPONENT, parseOperatorOptions(argv, process.env), run)
}

async function run(options: OperatorOptions, log: pino.Logger, stop: AbortController): Promise<void> {
  const { signal } = stop
  const { kubeconfig, master, chart, namespace } = options
  const config = loadConfig({ kubeconfig, master })
  const client = new KubeClient(config, { userAgent: `${COMPONENT}/${VERSION}` })
  const kind = kubeFledgedKind(chart)
  const objects = new ReleaseObjects(client, kind, options.namespaces, log)
  const queue = new WorkQueue<string>()
  const metrics = new OperatorMetrics(client, objects, { release: queue })
  await serveHttp(
    options.metricsBindAddress,
    {
      problem: () => livenessProblem(objects.informers, { release: queue }),
      isReady: () => objects.hasSynced,
      metrics: async () => ({
        contentType: metrics.registry.contentType,
        body: await metrics.registry.metrics(),
      }),
    },
    signal,
  )
  const helm = new Helm({
    program: options.helm,
    home: join(tmpdir(), COMPONENT),
    kubeconfig,
    master,
    onRun: (command, succeeded) => metrics.countRun(command, succeeded),
  })
  const events = new EventRecorder(client, { component: COMPONENT, log })
  const { reconcilePeriodMs: periodMs } = options
  const reconciler = new ReleaseReconciler({ kind, client, helm, objects, events, log, periodMs })
  objects.subscribe((key, object) => {
    if (object) reconciler.supersede(key, object)
    queue.add(key)
  })
  const watching = objects.run(signal)
  const lead = async (leading: AbortSignal) => {
    await objects.waitForSync(leading)
    log.info({ objects: [...objects.list()].length }, 'leading')
    await queue.run({
      workers: WORKERS,
      handlerTimeoutMs: RECONCILE_TIMEOUT_MS,
      handler: (key, cutOff) => metrics.measure('release', () => reconciler.reconcile(key, cutOff)),
      signal: leading,
      onError: (key, err) => log.warn({ key, err }, 'reconcile failed; it will be tried again'),
    })
    await events
      .flush(AbortSignal.timeout(FLUSH_MS))
      .catch((err: unknown) => log.warn({ err }, 'events were lost'))
  }
  try {
    await (options.leaderElect
      ? runWithLeaderElection({
          client,
          namespace,
          name: COMPONENT,
          identity: `${hostname()}_${randomUUID()}`,
          signal,
          lead,
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
