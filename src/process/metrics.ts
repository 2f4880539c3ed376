import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { KubeClient, WorkQueue } from '../kube/index.ts'

/**
 * Prometheus metrics of every process that reconciles. Gauges are read at each scrape, so they cannot differ
 * from the state.
 */
export class ProcessMetrics {
  readonly registry = new Registry()
  readonly #reconciles: Counter<'controller' | 'result'>
  readonly #duration: Histogram<'controller'>

  /** @param queues queues by the name of their controller */
  constructor(client: KubeClient, queues: Readonly<Record<string, WorkQueue<string>>>) {
    const registers = [this.registry]
    collectDefaultMetrics({ register: this.registry })
    this.#reconciles = new Counter({
      name: 'kubefledged_reconcile_total',
      help: 'Reconciles by controller and result',
      labelNames: ['controller', 'result'],
      registers,
    })
    this.#duration = new Histogram({
      name: 'kubefledged_reconcile_duration_seconds',
      help: 'Time of one reconcile',
      labelNames: ['controller'],
      buckets: [0.001, 0.01, 0.1, 1, 10],
      registers,
    })
    for (const controller of Object.keys(queues)) {
      for (const result of ['success', 'error']) this.#reconciles.inc({ controller, result }, 0)
    }
    this.gauge('kubefledged_queue_depth', 'Keys that wait for a worker', ['controller'], set => {
      for (const [controller, queue] of Object.entries(queues)) set({ controller }, queue.size)
    })
    this.gauge(
      'kubefledged_api_requests',
      'Requests sent to the API server since the start',
      ['verb'],
      set => {
        for (const [verb, count] of Object.entries(client.requestCount)) set({ verb }, count)
      },
    )
  }

  /** Adds a gauge. `collect` sets its values at each scrape. */
  gauge(
    name: string,
    help: string,
    labelNames: string[],
    collect: (set: (labels: Record<string, string>, value: number) => void) => void,
  ): void {
    const made: Gauge = new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        made.reset()
        collect((labels, value) => made.set(labels, value))
      },
    })
  }

  /** Runs a reconcile and counts it. */
  async measure<T>(controller: string, reconcile: () => Promise<T>): Promise<T> {
    const end = this.#duration.startTimer({ controller })
    try {
      const result = await reconcile()
      this.#reconciles.inc({ controller, result: 'success' })
      return result
    } catch (error) {
      this.#reconciles.inc({ controller, result: 'error' })
      throw error
    } finally {
      end()
    }
  }
}
