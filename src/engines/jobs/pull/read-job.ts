import type { DesiredImage, LedgerEntry } from '../../../api/node-images.ts'
import type { CompiledCache } from '../../../core/demand/index.ts'
import type { PullVerdict } from '../../../core/ledger/index.ts'
import type { Inventory } from '../../../core/node/index.ts'
import { readMissingPod } from '../missing-pod.ts'
import { deadlineMs } from './deadline.ts'
import { helperImageWords } from './helper-image.ts'
import { type JobReading, all } from './job-reading.ts'
import type { JobSettings } from './job-settings.ts'
import type { PullJob } from './pull-job.ts'
import type { PullPod } from './pull-pod.ts'
import { readPod } from './read-pod.ts'

/** What a pull Job is read with. */
export interface ReadInput {
  readonly desired: readonly DesiredImage[]
  readonly ledger: readonly LedgerEntry[]
  readonly inventory: Inventory
  readonly caches: ReadonlyMap<string, CompiledCache>
  readonly pods: readonly PullPod[]
  /** Why a Job has no Pod, in the words of the API server, by Job UID. Present once asked. */
  readonly refusals: ReadonlyMap<string, string>
  readonly settings: JobSettings
  readonly now: number
}

/** What a Job says about its images, and whether its missing Pod has to be explained. */
export interface ReadJob {
  readonly job: PullJob
  readonly reading: JobReading
  readonly unexplained: boolean
  /** When the reading may change by time alone, in milliseconds from now. */
  readonly lookAgainMs?: number
}

/** Reads a Job together with its Pod, if it has one. */
export function readJob(job: PullJob, input: ReadInput): ReadJob {
  // By UID: an author who may make Pods may give them our labels.
  const pod = input.pods.find(
    candidate =>
      candidate.jobUid === job.metadata.uid && candidate.metadata.namespace === job.metadata.namespace,
  )
  if (!pod) return readWithoutPod(job, input)
  const reading = withAdvice(readPod(job, pod, input.settings.helperImage), job, input.settings)
  if (reading.done) return { job, reading, unexplained: false }
  const left = deadlineMs(job, pod, input) - input.now
  if (left > 0) return { job, reading, unexplained: false, lookAgainMs: left }
  return { job, reading: timedOut(reading, pod), unexplained: false }
}

/** Adds what to do to the message about a helper image that needs credentials. */
function withAdvice(
  reading: JobReading,
  { metadata: { namespace = '' } }: PullJob,
  { helperPullSecrets }: JobSettings,
): JobReading {
  const verdicts = [...reading.verdicts].map(([image, verdict]): [string, PullVerdict] => {
    if (verdict.kind !== 'failed' || verdict.reason !== 'HelperImageUnavailable') return [image, verdict]
    return [image, { ...verdict, message: helperImageWords(verdict.message, namespace, helperPullSecrets) }]
  })
  return { ...reading, verdicts: new Map(verdicts) }
}

function timedOut(reading: JobReading, pod: PullPod): JobReading {
  const message = pod.startedAt
    ? 'the pull did not end within the deadline'
    : 'the kubelet did not take the Pod up within the deadline'
  const reason = pod.startedAt ? 'Timeout' : 'NodeUnavailable'
  return {
    done: true,
    verdicts: new Map(
      [...reading.verdicts].map(([image, verdict]) => [
        image,
        verdict.kind === 'pulling' ? { kind: 'failed', reason, message } : verdict,
      ]),
    ),
  }
}

function readWithoutPod(job: PullJob, { refusals, now }: ReadInput): ReadJob {
  const missing = readMissingPod(job, refusals, now)
  switch (missing.kind) {
    case 'gone': {
      const verdict = { kind: 'unknown', message: 'the Pod went away unread' } as const
      return { job, reading: { done: true, verdicts: all(job.images, verdict) }, unexplained: false }
    }
    case 'refused': {
      const verdict = { kind: 'failed', reason: 'JobRefused', message: missing.message } as const
      return { job, reading: { done: true, verdicts: all(job.images, verdict) }, unexplained: false }
    }
    case 'waiting': {
      const { unexplained, lookAgainMs } = missing
      return {
        job,
        reading: { done: false, verdicts: all(job.images, { kind: 'pulling' }) },
        unexplained,
        lookAgainMs,
      }
    }
  }
}
