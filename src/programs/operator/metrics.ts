import { Counter } from 'prom-client'
import type { KubeClient, WorkQueue } from '../../kube/index.ts'
import { ProcessMetrics } from '../../process/metrics.ts'
import type { HelmCommand } from '../../controllers/releases/helm.ts'
import type { ReleaseObjects } from '../../controllers/releases/objects.ts'

/** The operator's metrics for Prometheus. */
export class OperatorMetrics extends ProcessMetrics {
  readonly #runs: Counter<'command' | 'result'>

  constructor(
    client: KubeClient,
    objects: ReleaseObjects,
    queues: Readonly<Record<string, WorkQueue<string>>>,
  ) {
    super(client, queues)
    this.#runs = new Counter({
      name: 'kubefledged_operator_helm_runs_total',
      help: 'Runs of helm by command and result',
      labelNames: ['command', 'result'],
      registers: [this.registry],
    })
    this.gauge('kubefledged_operator_releases', 'Objects by the conditions that hold', ['condition'], set => {
      const counts = { Deployed: 0, ReleaseFailed: 0, Irreconcilable: 0 }
      for (const { status } of objects.list()) {
        for (const condition of status?.conditions ?? []) {
          if (condition.type !== 'Initialized' && condition.status === 'True') counts[condition.type] += 1
        }
      }
      for (const [condition, count] of Object.entries(counts)) set({ condition }, count)
    })
  }

  /** Counts a run of helm. */
  countRun(command: HelmCommand, succeeded: boolean): void {
    this.#runs.inc({ command, result: succeeded ? 'success' : 'error' })
  }
}
