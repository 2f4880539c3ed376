import type { PullJob } from '../../engines/jobs/pull/index.ts'
import type { Logger } from '../../kube/index.ts'
import type { JobWriter } from '../../engines/jobs/index.ts'
import type { JobState } from '../../engines/jobs/index.ts'

/**
 * True for a Job that kube-fledged before 0.12 left behind.
 * An ImageCache controls such a Job, and no annotation says what it pulls.
 * A Job that only has the same labels is not ours.
 */
export function isLegacyJob({ ownerUid, nodeUid, images }: PullJob): boolean {
  return ownerUid !== '' && nodeUid === '' && images.length === 0
}

/**
 * The controller of old Jobs: it deletes Jobs that kube-fledged before 0.12 left behind.
 * It deletes finished Jobs too, with any `--job-retention-policy`. kube-fledged does the same when it starts.
 * Nodes without the images pull them again.
 */
export class OldJobs {
  readonly #state: JobState
  readonly #jobs: JobWriter
  readonly #log: Logger

  constructor(state: JobState, jobs: JobWriter, log: Logger) {
    this.#state = state
    this.#jobs = jobs
    this.#log = log
  }

  /** Deletes the Job `namespace/name` if it was left behind. */
  async reconcile(key: string, signal: AbortSignal): Promise<void> {
    const job = this.#state.pullJobs.get(key)
    if (!job || job.metadata.deletionTimestamp || !isLegacyJob(job)) return
    await this.#jobs.deleteAll([job], signal)
    this.#log.info({ job: key }, `Dangling Job(${job.metadata.name}) deleted`)
  }
}
