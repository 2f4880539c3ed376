import type { FailureReasonName } from '../../../api/failure-reasons.ts'
import { type KeptReason, REMOVED } from '../../../api/kept-reasons.ts'
import { type PurgeAnswer, type PurgeOutcome, parseResult } from '../../../cri/removal/index.ts'
import { helperImageWords } from '../pull/index.ts'
import type { RemovalJob, RemovalPod } from './removal-job.ts'
import type { RemovalWork } from './removal-work.ts'

/** How long the job controller may take to make a Pod before it is asked why there is none. */
const NO_POD_GRACE_MS = 3_000
/** After this, a Job without a Pod and without words about it is given up. */
const NO_POD_LIMIT_MS = 30_000

/** What became of one image. */
export interface RemovalAnswer {
  readonly reason: typeof REMOVED | KeptReason | FailureReasonName
  readonly message: string
}

/** What a removal Job says. */
export type RemovalReading =
  | { readonly kind: 'running'; readonly lookAgainMs: number; readonly unexplained: boolean }
  /** By key of the ledger. */
  | { readonly kind: 'done'; readonly answers: ReadonlyMap<string, RemovalAnswer> }

/** What the outcomes of the CRI client are called in the ledger. */
const REASONS: Record<PurgeOutcome, RemovalAnswer['reason']> = {
  Removed: REMOVED,
  NotFound: REMOVED,
  InUse: 'InUse',
  WantedByOthers: 'WantedByOthers',
  SharedId: 'NotOurs',
  Pinned: 'NotOurs',
  InvalidReference: 'RemovalFailed',
  Failed: 'RemovalFailed',
}

const WORDS: Partial<Record<PurgeOutcome, string>> = {
  SharedId: 'its content has another name on the node',
  Pinned: 'the runtime pins it',
  InvalidReference: 'not an image reference',
}

/** Reads a removal Job together with its Pod, if it has one. */
export function readRemoval(job: RemovalJob, work: RemovalWork): RemovalReading {
  const { namespace, name } = job.metadata
  const pod = work.pods.find(
    candidate => candidate.job === name && candidate.metadata.namespace === namespace,
  )
  const begun = Date.parse(job.metadata.creationTimestamp ?? '')
  const left = begun + work.settings.deadlineMs - work.now
  if (!pod) return readWithoutPod(job, work, work.now - begun)
  const result = pod.result === '' ? undefined : parseResult(pod.result)
  if (result?.kind === 'Done') {
    return {
      kind: 'done',
      answers: new Map(job.keys.map((key, index) => [key, answerOf(result.answers[index])])),
    }
  }
  if (result?.kind === 'Error') return all(job, 'RemovalFailed', `${result.code}: ${result.message}`)
  if (pod.phase === 'Failed' || pod.phase === 'Succeeded') return all(job, refusalOf(pod), wordsOf(pod))
  if (pod.stuck) {
    const words = helperImageWords(wordsOf(pod), namespace ?? '', work.settings.helperPullSecrets)
    return all(job, 'HelperImageUnavailable', words)
  }
  if (pod.metadata.deletionTimestamp) return all(job, 'RemovalFailed', 'its Pod was deleted')
  if (!(left > 0)) return all(job, 'Timeout', 'the removal did not end within the deadline')
  return { kind: 'running', lookAgainMs: left, unexplained: false }
}

function readWithoutPod(job: RemovalJob, work: RemovalWork, ageMs: number): RemovalReading {
  if (job.finished || job.metadata.deletionTimestamp) {
    return all(job, 'RemovalFailed', 'its Pod went away unread')
  }
  const words = work.refusals.get(job.metadata.uid ?? '')
  if (words || !(ageMs < NO_POD_LIMIT_MS)) {
    return all(job, 'JobRefused', words || 'the job controller made no Pod')
  }
  const isEarly = ageMs < NO_POD_GRACE_MS
  return {
    kind: 'running',
    lookAgainMs: isEarly ? NO_POD_GRACE_MS - ageMs : NO_POD_GRACE_MS,
    unexplained: !isEarly,
  }
}

function all(job: RemovalJob, reason: RemovalAnswer['reason'], message: string): RemovalReading {
  return { kind: 'done', answers: new Map(job.keys.map(key => [key, { reason, message }])) }
}

function answerOf(answer: PurgeAnswer | undefined): RemovalAnswer {
  if (!answer) return { reason: 'RemovalFailed', message: 'the Job gave no answer for it' }
  const words = WORDS[answer.outcome]
  const message = [words, answer.detail].filter(Boolean).join(': ')
  return { reason: REASONS[answer.outcome], message }
}

/** A Pod that the kubelet did not take or threw out is the node's doing. */
function refusalOf(pod: RemovalPod): FailureReasonName {
  return /^(OutOf|Evicted|UnexpectedAdmissionError|NodeAffinity|Taint)/.test(pod.reason)
    ? 'NodeRefused'
    : 'RemovalFailed'
}

function wordsOf({ reason, message, result }: RemovalPod): string {
  return [reason, message, result].filter(Boolean).join(': ') || 'its Pod ended without a result'
}
