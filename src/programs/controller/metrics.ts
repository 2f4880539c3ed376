import type { LedgerEntry } from '../../api/node-images.ts'
import { hasPullFailed, isPresent } from '../../core/ledger/index.ts'
import type { JobState } from '../../engines/jobs/index.ts'
import type { KubeClient, WorkQueue } from '../../kube/index.ts'
import { ProcessMetrics } from '../../process/metrics.ts'
import type { ClusterState } from '../../state/cluster-state.ts'

/** The controller's metrics for Prometheus. */
export class Metrics extends ProcessMetrics {
  constructor(
    client: KubeClient,
    {
      cluster,
      jobs,
      queues,
    }: {
      readonly cluster: ClusterState
      readonly jobs: JobState
      readonly queues: Readonly<Record<string, WorkQueue<string>>>
    },
  ) {
    super(client, queues)
    this.gauge('kubefledged_images', 'Images on nodes by state', ['state'], set => {
      const states = { Pending: 0, Pulling: 0, Present: 0, Failed: 0, Removing: 0 }
      for (const { status } of cluster.nodeImagesInformer.list()) {
        for (const entry of status?.images ?? []) states[stateOf(entry)] += 1
      }
      for (const [state, count] of Object.entries(states)) set({ state }, count)
    })
    this.gauge('kubefledged_jobs_in_flight', 'Pull Jobs that have not ended', [], set => {
      set({}, [...jobs.inFlight()].length)
    })
    this.gauge('kubefledged_imagecaches', 'ImageCaches by status', ['status'], set => {
      const byStatus = new Map<string, number>()
      for (const { status } of cluster.cacheInformer.list()) {
        const key = status?.status ?? 'None'
        byStatus.set(key, (byStatus.get(key) ?? 0) + 1)
      }
      for (const [status, count] of byStatus) set({ status }, count)
    })
  }
}

/** The state of a ledger entry, for the metric. */
function stateOf(entry: LedgerEntry): 'Pending' | 'Pulling' | 'Present' | 'Failed' | 'Removing' {
  if (entry.removal?.state === 'Waiting' || entry.removal?.state === 'Removing') return 'Removing'
  if (isPresent(entry)) return 'Present'
  if (entry.attempt?.state === 'Pulling') return 'Pulling'
  return hasPullFailed(entry) ? 'Failed' : 'Pending'
}
