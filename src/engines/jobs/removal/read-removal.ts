import type { FailureReasonName } from '../../../api/failure-reasons.ts'
import type { KeptReason } from '../../../api/kept-reasons.ts'
import type { RemovalVerdict } from '../../../core/ledger/index.ts'
import { type RemovalAnswer, type RemovalOutcome, parseResult } from '../../../cri/removal/index.ts'
import { helperImageMessage } from '../pull/index.ts'
import { readMissingPod } from '../missing-pod.ts'
import type { RemovalJob, RemovalPod } from './removal-job.ts'

/** What a removal Job proves about its images. */
export interface RemovalReading {
  readonly job: RemovalJob
  /** True where the reading is final. */
  readonly done: boolean
  /** One verdict for each image of the Job, by ledger key. */
  readonly verdicts: ReadonlyMap<string, RemovalVerdict>
  /** True where the Job has no Pod and its events have to be searched for the cause. */
  readonly unexplained: boolean
  /** A Pod that is slow to start. Its events have to be searched for the cause. */
  readonly slowPod?: RemovalPod
  /** When the reading may change by time alone, in milliseconds from now. */
  readonly lookAgainMs?: number
}

/** Facts that a removal Job is read with. */
export interface RemovalReadInput {
  readonly pods: readonly RemovalPod[]
  /** The API server's message why a Job has no Pod, by Job UID. Only Jobs that were explained have one. */
  readonly refusals: ReadonlyMap<string, string>
  /** What a Pod lacks to start, by its UID. Only Pods that were explained have a message. */
  readonly mountFailures: ReadonlyMap<string, string>
  /** Names of the pull secrets of the operator. */
  readonly helperPullSecrets: readonly string[]
  /** Deadline of one Job, in milliseconds. */
  readonly deadlineMs: number
  readonly now: number
}

/** Time that a Pod has to start. Then its events are searched for the cause, and again after that time. */
const SLOW_START_MS = 5_000

/** The ledger's verdict for each outcome of the CRI client. */
const VERDICTS: Record<
  RemovalOutcome,
  { kind: 'removed' } | { kind: 'kept'; reason: KeptReason } | { kind: 'failed' }
> = {
  Removed: { kind: 'removed' },
  NotFound: { kind: 'removed' },
  InUse: { kind: 'kept', reason: 'InUse' },
  WantedByOthers: { kind: 'kept', reason: 'WantedByOthers' },
  SharedId: { kind: 'kept', reason: 'NotOurs' },
  Pinned: { kind: 'kept', reason: 'NotOurs' },
  InvalidReference: { kind: 'failed' },
  Failed: { kind: 'failed' },
}

const MESSAGES: Partial<Record<RemovalOutcome, string>> = {
  SharedId: 'its content has another name on the node',
  Pinned: 'the runtime pins it',
  InvalidReference: 'not an image reference',
}

/** Reads a removal Job and its Pod. */
export function readRemoval(job: RemovalJob, input: RemovalReadInput): RemovalReading {
  const { namespace, name, creationTimestamp = '' } = job.metadata
  const pod = input.pods.find(
    candidate => candidate.job === name && candidate.metadata.namespace === namespace,
  )
  if (!pod) return readWithoutPod(job, input)
  const result = pod.result === '' ? undefined : parseResult(pod.result)
  if (result?.kind === 'Done') {
    const verdicts = new Map(job.keys.map((key, index) => [key, verdictOf(result.answers[index])]))
    return { job, done: true, verdicts, unexplained: false }
  }
  if (result?.kind === 'Error') return allFailed(job, 'RemovalFailed', `${result.code}: ${result.message}`)
  if (pod.phase === 'Failed' || pod.phase === 'Succeeded') {
    return allFailed(job, failureOf(pod), messageOf(pod))
  }
  if (pod.stuck) {
    const message = helperImageMessage(messageOf(pod), namespace ?? '', input.helperPullSecrets)
    return allFailed(job, 'HelperImageUnavailable', message)
  }
  if (pod.metadata.deletionTimestamp) return allFailed(job, 'RemovalFailed', 'its Pod was deleted')
  const lacks = input.mountFailures.get(pod.metadata.uid ?? '')
  if (lacks !== undefined) return allFailed(job, 'RemovalFailed', lacks)
  const age = input.now - Date.parse(creationTimestamp)
  const left = input.deadlineMs - age
  if (!(left > 0)) return allFailed(job, 'Timeout', 'the removal did not end within the deadline')
  if (!pod.starting) return running(job, { lookAgainMs: left, unexplained: false })
  const lookAgainMs = Math.min(left, SLOW_START_MS)
  const reading = running(job, { lookAgainMs, unexplained: false })
  return age < SLOW_START_MS ? reading : { ...reading, slowPod: pod }
}

function readWithoutPod(job: RemovalJob, { refusals, now }: RemovalReadInput): RemovalReading {
  const missing = readMissingPod(job, refusals, now)
  switch (missing.kind) {
    case 'gone':
      return allFailed(job, 'RemovalFailed', 'its Pod went away unread')
    case 'refused':
      return allFailed(job, 'JobRefused', missing.message)
    case 'silent':
      return allFailed(job, 'PodNotMade', missing.message)
    case 'waiting':
      return running(job, missing)
  }
}

function running(
  job: RemovalJob,
  { lookAgainMs, unexplained }: { lookAgainMs: number; unexplained: boolean },
): RemovalReading {
  const verdicts = new Map(job.keys.map(key => [key, { kind: 'removing' } as const]))
  return { job, done: false, verdicts, unexplained, lookAgainMs }
}

function allFailed(job: RemovalJob, reason: FailureReasonName, message: string): RemovalReading {
  const verdicts = new Map(job.keys.map(key => [key, { kind: 'failed', reason, message } as const]))
  return { job, done: true, verdicts, unexplained: false }
}

function verdictOf(answer: RemovalAnswer | undefined): RemovalVerdict {
  if (!answer) return { kind: 'failed', reason: 'RemovalFailed', message: 'the Job gave no answer for it' }
  const message = [MESSAGES[answer.outcome], answer.detail].filter(Boolean).join(': ')
  const verdict = VERDICTS[answer.outcome]
  return verdict.kind === 'failed'
    ? { kind: 'failed', reason: 'RemovalFailed', message }
    : verdict.kind === 'kept'
      ? { ...verdict, message }
      : verdict
}

/** `NodeRefused` where the kubelet refused or evicted the Pod. */
function failureOf(pod: RemovalPod): FailureReasonName {
  return /^(OutOf|Evicted|UnexpectedAdmissionError|NodeAffinity|Taint)/.test(pod.reason)
    ? 'NodeRefused'
    : 'RemovalFailed'
}

function messageOf({ reason, message, result }: RemovalPod): string {
  return [reason, message, result].filter(Boolean).join(': ') || 'its Pod ended without a result'
}
