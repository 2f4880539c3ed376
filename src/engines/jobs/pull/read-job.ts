import type { PullVerdict } from '../../../core/ledger/index.ts'
import { readMissingPod } from '../missing-pod.ts'
import { deadlineMs } from './deadline.ts'
import { helperImageMessage } from './helper-image.ts'
import { type JobReading, all } from './job-reading.ts'
import type { JobSettings } from './job-settings.ts'
import type { PullJob } from './pull-job.ts'
import type { PullPod } from './pull-pod.ts'
import type { ReadInput } from './read-input.ts'
import { readPod } from './read-pod.ts'

/** A Job and what it proves about its images. */
export interface ReadJob {
  readonly job: PullJob
  readonly reading: JobReading
  /** True where the Job has no Pod and its events have to be searched for the cause. */
  readonly unexplained: boolean
  /** When the reading may change by time alone, in milliseconds from now. */
  readonly lookAgainMs?: number
}

/** Reads a Job and its Pod. */
export function readJob(job: PullJob, input: ReadInput): ReadJob {
  // The UID is compared, because any user with the right to create Pods can set our labels.
  const pod = input.pods.find(
    candidate =>
      candidate.jobUid === job.metadata.uid && candidate.metadata.namespace === job.metadata.namespace,
  )
  if (!pod) return readWithoutPod(job, input)
  const reading = withAdvice(readPod(job, pod, input.settings.helperImage), job, input.settings)
  const left = reading.done ? 0 : deadlineMs(job, pod, input) - input.now
  if (left > 0) return { job, reading, unexplained: false, lookAgainMs: left }
  const ended = reading.done ? reading : timedOut(reading, pod)
  return { job, reading: pod.alwaysPulls ? askedRegistry(ended) : ended, unexplained: false }
}

/** Marks the failures of a Pod that asks registries whatever its Job says. */
function askedRegistry(reading: JobReading): JobReading {
  const verdicts = [...reading.verdicts].map(([image, verdict]): [string, PullVerdict] => [
    image,
    verdict.kind === 'failed' ? { ...verdict, askedRegistry: true } : verdict,
  ])
  return { ...reading, verdicts: new Map(verdicts) }
}

/** Adds advice to the message about a helper image that needs credentials. */
function withAdvice(
  reading: JobReading,
  { metadata: { namespace = '' } }: PullJob,
  { helperPullSecrets }: JobSettings,
): JobReading {
  const verdicts = [...reading.verdicts].map(([image, verdict]): [string, PullVerdict] => {
    if (verdict.kind !== 'failed' || verdict.reason !== 'HelperImageUnavailable') return [image, verdict]
    return [image, { ...verdict, message: helperImageMessage(verdict.message, namespace, helperPullSecrets) }]
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
    case 'silent': {
      const verdict = { kind: 'failed', reason: 'PodNotMade', message: missing.message } as const
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
