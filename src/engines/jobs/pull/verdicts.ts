import { type DesiredImage, entryKey } from '../../../api/node-images.ts'
import { shortHash } from '../../../core/demand/index.ts'
import type { PullEvidence } from '../../../core/ledger/index.ts'
import { jobHash } from './job-name.ts'
import type { PullJob } from './pull-job.ts'
import type { ReadInput } from './read-input.ts'
import { type ReadJob, readJob } from './read-job.ts'

/** What the pull Jobs of one node prove. */
export interface PullReadings {
  readonly evidence: readonly PullEvidence[]
  /** Jobs that still pull a wanted image. */
  readonly running: readonly ReadJob[]
  /**
   * Jobs that may be deleted once the ledger is written.
   * Their reading is final, or their images are not wanted.
   */
  readonly finished: readonly PullJob[]
  /** Namespaces of Jobs whose Pods have lost their image volumes. */
  readonly withoutVolumes: readonly string[]
}

/**
 * Reads the pull Jobs of one node.
 *
 * @param nodeUid UID of the Node object. Jobs for an older Node object of the same name are no evidence.
 * @param newestRevision greatest revision of the node's plan. A greater revision on a Job counts as 0.
 */
export function readPullJobs(
  jobs: readonly PullJob[],
  input: ReadInput,
  nodeUid: string,
  newestRevision: number,
): PullReadings {
  const isForeign = (job: PullJob) => job.nodeUid !== nodeUid
  const isLeaving = (job: PullJob) => job.metadata.deletionTimestamp !== undefined
  const readings = jobs.map(job => readJob(job, input))
  const own = readings.filter(({ job }) => !isForeign(job))
  const isRunning = (read: ReadJob) =>
    !isForeign(read.job) && !isLeaving(read.job) && !read.reading.done && isWanted(read, input.desired)
  return {
    evidence: own.flatMap(read => evidenceOf(read, newestRevision)),
    running: readings.filter(isRunning),
    finished: readings.filter(read => !isLeaving(read.job) && !isRunning(read)).map(({ job }) => job),
    withoutVolumes: own
      .filter(({ reading }) => reading.volumesDropped)
      .map(({ job }) => job.metadata.namespace ?? ''),
  }
}

function evidenceOf({ job, reading }: ReadJob, newestRevision: number): PullEvidence[] {
  const { credential, images, revision, ownerUid, metadata } = job
  return images.flatMap(image => {
    const verdict = reading.verdicts.get(image)
    if (!verdict) return []
    return [
      {
        key: entryKey({ image, credential }),
        verdict,
        owner: shortHash(ownerUid),
        id: jobHash(metadata.name),
        revision: revision <= newestRevision ? revision : 0,
        startedAt: metadata.creationTimestamp ?? job.startedAt,
      },
    ]
  })
}

/** True where the Job still pulls a wanted image. */
function isWanted({ job, reading }: ReadJob, desired: readonly DesiredImage[]): boolean {
  return desired.some(
    image => image.credential === job.credential && reading.verdicts.get(image.image)?.kind === 'pulling',
  )
}
