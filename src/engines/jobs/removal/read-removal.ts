import type { FailureReasonName } from '../../../api/failure-reasons.ts'
import type { KeptReason } from '../../../api/kept-reasons.ts'
import type { RemovalVerdict } from '../../../core/ledger/index.ts'
import { type RemovalAnswer, type RemovalOutcome, parseResult } from '../../../cri/removal/index.ts'
import { helperImageWords } from '../pull/index.ts'
import { readMissingPod } from '../missing-pod.ts'
import type { RemovalJob, RemovalPod } from './removal-job.ts'

/** What a removal Job says of its images. */
export interface RemovalReading {
  readonly job: RemovalJob
  /** Nothing more will be learned. */
  readonly done: boolean
  /** By key of the ledger, one for each image of the Job. */
  readonly verdicts: ReadonlyMap<string, RemovalVerdict>
  readonly unexplained: boolean
  /** When the reading may change by time alone, in milliseconds from now. */
  readonly lookAgainMs?: number
}

/** What a removal Job is read with. */
export interface RemovalReadInput {
  readonly pods: readonly RemovalPod[]
  /** Why a Job has no Pod, in the words of the API server, by Job UID. Present once asked. */
  readonly refusals: ReadonlyMap<string, string>
  /** Names of the pull secrets of the operator. */
  readonly helperPullSecrets: readonly string[]
  /** For one Job, in milliseconds. */
  readonly deadlineMs: number
  readonly now: number
}

/** Outcomes of the CRI client, as the ledger names them. */
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

const WORDS: Partial<Record<RemovalOutcome, string>> = {
  SharedId: 'its content has another name on the node',
  Pinned: 'the runtime pins it',
  InvalidReference: 'not an image reference',
}

/** Reads a removal Job together with its Pod, if it has one. */
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
  if (pod.phase === 'Failed' || pod.phase === 'Succeeded') return allFailed(job, failureOf(pod), wordsOf(pod))
  if (pod.stuck) {
    const words = helperImageWords(wordsOf(pod), namespace ?? '', input.helperPullSecrets)
    return allFailed(job, 'HelperImageUnavailable', words)
  }
  if (pod.metadata.deletionTimestamp) return allFailed(job, 'RemovalFailed', 'its Pod was deleted')
  const left = Date.parse(creationTimestamp) + input.deadlineMs - input.now
  if (!(left > 0)) return allFailed(job, 'Timeout', 'the removal did not end within the deadline')
  return running(job, { lookAgainMs: left, unexplained: false })
}

function readWithoutPod(job: RemovalJob, { refusals, now }: RemovalReadInput): RemovalReading {
  const missing = readMissingPod(job, refusals, now)
  switch (missing.kind) {
    case 'gone':
      return allFailed(job, 'RemovalFailed', 'its Pod went away unread')
    case 'refused':
      return allFailed(job, 'JobRefused', missing.message)
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
  const message = [WORDS[answer.outcome], answer.detail].filter(Boolean).join(': ')
  const verdict = VERDICTS[answer.outcome]
  return verdict.kind === 'failed'
    ? { kind: 'failed', reason: 'RemovalFailed', message }
    : verdict.kind === 'kept'
      ? { ...verdict, message }
      : verdict
}

/** The node is the cause where the kubelet refused the Pod or evicted it. */
function failureOf(pod: RemovalPod): FailureReasonName {
  return /^(OutOf|Evicted|UnexpectedAdmissionError|NodeAffinity|Taint)/.test(pod.reason)
    ? 'NodeRefused'
    : 'RemovalFailed'
}

function wordsOf({ reason, message, result }: RemovalPod): string {
  return [reason, message, result].filter(Boolean).join(': ') || 'its Pod ended without a result'
}
