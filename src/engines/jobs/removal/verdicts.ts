import type { RemovalEvidence } from '../../../core/ledger/index.ts'
import { type RemovalReadInput, type RemovalReading, readRemoval } from './read-removal.ts'
import type { RemovalJob } from './removal-job.ts'

/** What the removal Jobs of one node prove. */
export interface RemovalReadings {
  readonly evidence: readonly RemovalEvidence[]
  readonly running: readonly RemovalReading[]
  /** Jobs that may be deleted once the ledger is written. */
  readonly finished: readonly RemovalJob[]
}

/** Reads the removal Jobs of one node. Jobs for an older Node object of the same name are no evidence. */
export function readRemovalJobs(
  jobs: readonly RemovalJob[],
  input: RemovalReadInput,
  nodeUid: string,
): RemovalReadings {
  const readings = jobs.map(job => readRemoval(job, input))
  const own = readings.filter(({ job }) => job.nodeUid === nodeUid)
  const running = own.filter(({ done }) => !done)
  return {
    evidence: own.flatMap(evidenceOf),
    running,
    finished: jobs.filter(
      job => !job.metadata.deletionTimestamp && !running.some(reading => reading.job === job),
    ),
  }
}

function evidenceOf({ job, verdicts }: RemovalReading): RemovalEvidence[] {
  const { name, creationTimestamp: startedAt = '' } = job.metadata
  return [...verdicts].map(([key, verdict]) => ({
    key,
    verdict,
    id: name,
    revision: job.revision,
    startedAt,
  }))
}
