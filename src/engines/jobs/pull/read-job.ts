import { helperImageWords } from './helper-image.ts'
import { all, type JobReading, type Verdict } from './verdict.ts'
import type { NodeWork } from './node-work.ts'
import type { PullJob } from './pull-job.ts'
import type { PullPod } from './pull-pod.ts'
import { readPod } from './read-pod.ts'
import { deadlineMs } from './deadline.ts'

/** How long the job controller may take to make a Pod before it is asked why there is none. */
const NO_POD_GRACE_MS = 3_000
/** After this, a Job without a Pod and without words about it is given up. */
const NO_POD_LIMIT_MS = 30_000

/** What a Job says about its images, and whether its silence has to be explained. */
export interface ReadJob {
  readonly job: PullJob
  readonly reading: JobReading
  readonly unexplained: boolean
  /** When the reading may change by time alone, in milliseconds from now. */
  readonly lookAgainMs?: number
}

/** Reads a Job together with its Pod, if it has one. */
export function readJob(job: PullJob, work: NodeWork): ReadJob {
  // By UID: whoever may make Pods may give them our labels.
  const pod = work.pods.find(
    candidate =>
      candidate.jobUid === job.metadata.uid && candidate.metadata.namespace === job.metadata.namespace,
  )
  if (!pod) return readWithoutPod(job, work)
  const reading = withAdvice(readPod(job, pod, work.settings.helperImage), job, work)
  if (reading.done) return { job, reading, unexplained: false }
  const left = deadlineMs(job, pod, work) - work.now
  if (left > 0) return { job, reading, unexplained: false, lookAgainMs: left }
  return { job, reading: timedOut(reading, pod), unexplained: false }
}

/** Says of a helper image that needs credentials what to do. */
function withAdvice(reading: JobReading, { metadata: { namespace } }: PullJob, work: NodeWork): JobReading {
  const verdicts = [...reading.verdicts].map(([image, verdict]): [string, Verdict] => {
    if (verdict.kind !== 'failed' || verdict.reason !== 'HelperImageUnavailable') return [image, verdict]
    const message = helperImageWords(verdict.message, namespace ?? '', work.settings.helperPullSecrets)
    return [image, { ...verdict, message }]
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

function readWithoutPod(job: PullJob, work: NodeWork): ReadJob {
  const gone = { kind: 'unknown', message: 'the Pod went away unread' } as const
  if (job.finished || job.metadata.deletionTimestamp) {
    return { job, reading: { done: true, verdicts: all(job.images, gone) }, unexplained: false }
  }
  const words = work.refusals.get(job.metadata.uid ?? '')
  const age = work.now - Date.parse(job.metadata.creationTimestamp ?? '')
  if (words || age > NO_POD_LIMIT_MS) {
    const message = words || 'the job controller made no Pod'
    const verdict = { kind: 'failed', reason: 'JobRefused', message } as const
    return { job, reading: { done: true, verdicts: all(job.images, verdict) }, unexplained: false }
  }
  const waiting = { done: false, verdicts: all(job.images, { kind: 'pulling' }) }
  if (age < NO_POD_GRACE_MS) {
    return { job, reading: waiting, unexplained: false, lookAgainMs: NO_POD_GRACE_MS - age }
  }
  return { job, reading: waiting, unexplained: true, lookAgainMs: NO_POD_GRACE_MS }
}

/** True for a Job that was made for another Node object of this name. */
export function isForeign(job: PullJob, work: NodeWork): boolean {
  return job.nodeUid !== (work.node.metadata.uid ?? '')
}
