import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { KubeClient, WorkQueue } from '../kube/index.ts'
import type { World } from './world.ts'

/** What Prometheus may scrape. Counts are read from the world when asked for, so that they cannot drift. */
export class Metrics {
  readonly registry = new Registry()
  readonly #reconciles: Counter<'controller' | 'result'>
  readonly #duration: Histogram<'controller'>

  constructor(client: KubeClient, world: World, queues: Readonly<Record<string, WorkQueue<string>>>) {
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
    gauge(registers, 'kubefledged_queue_depth', 'Keys that wait for a worker', ['controller'], set => {
      for (const [controller, queue] of Object.entries(queues)) set({ controller }, queue.size)
    })
    gauge(registers, 'kubefledged_images', 'Images on nodes by state', ['state'], set => {
      const states = { Pending: 0, Pulling: 0, Present: 0, Failed: 0, Removing: 0 }
      for (const { status } of world.nodeImagesInformer.list()) {
        for (const { state } of status?.images ?? []) states[state] += 1
      }
      for (const [state, count] of Object.entries(states)) set({ state }, count)
    })
    gauge(registers, 'kubefledged_jobs_in_flight', 'Pull Jobs that have not ended', [], set => {
      set({}, [...world.jobsInFlight()].length)
    })
    gauge(registers, 'kubefledged_imagecaches', 'ImageCaches by status', ['status'], set => {
      const byStatus = new Map<string, number>()
      for (const { status } of world.cacheInformer.list()) {
        const key = status?.status ?? 'None'
        byStatus.set(key, (byStatus.get(key) ?? 0) + 1)
      }
      for (const [status, count] of byStatus) set({ status }, count)
    })
    gauge(
      registers,
      'kubefledged_api_requests',
      'Requests sent to the API server since the start',
      ['verb'],
      set => {
        for (const [verb, count] of Object.entries(client.requestCount)) set({ verb }, count)
      },
    )
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

function gauge(
  registers: Registry[],
  name: string,
  help: string,
  labelNames: string[],
  collect: (set: (labels: Record<string, string>, value: number) => void) => void,
): void {
  // Registered by being made; it reads the world whenever it is scraped.
  const made: Gauge = new Gauge({
    name,
    help,
    labelNames,
    registers,
    collect() {
      made.reset()
      collect((labels, value) => made.set(labels, value))
    },
  })
}
