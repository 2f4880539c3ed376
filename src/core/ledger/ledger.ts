import { hasFailed } from '../../api/failure-reasons.ts'
import { type DesiredImage, type LedgerEntry, entryKey } from '../../api/node-images.ts'
import type { Verdict } from '../../engines/jobs/pull/index.ts'

/** `reason` of a Pending image whose batch failed: it gets a container of its own next. */
export const UNPROVEN = 'Unproven'
/** `reason` of a Pending image that was there and is no more. */
export const DISAPPEARED = 'Disappeared'
/** Attempts after which an image that nothing is learned of counts as failed, so that its cache does not wait for ever. */
const MAX_UNKNOWN = 5
/** Longest message, in bytes. */
const MESSAGE_BYTES = 256
/** Of these, the bytes before the cut. */
const HEAD_BYTES = 64

/** Facts about the attempt that a verdict came from. */
export interface Attempt {
  /** Last part of the Job's name. */
  readonly job: string
  /** Newest request that it answers. */
  readonly requestedAt: string
  /** RFC 3339. */
  readonly startedAt: string
  /** When the Job was made, as exactly as is known; absent where nothing was pulled. */
  readonly madeAt?: string
  readonly now: string
}

/** The entry after a verdict. The same verdict again changes nothing but times. */
export function record(
  desired: DesiredImage,
  old: LedgerEntry | undefined,
  verdict: Verdict,
  attempt: Attempt,
): LedgerEntry {
  const base = identity(desired, old)
  const isAnswer = Date.parse(desired.requestedAt) <= Date.parse(attempt.requestedAt)
  const answered = isAnswer ? desired.requestedAt : old?.requestedAt
  const isNew = old !== undefined && hasFailed(old) && !answers(old, desired)
  const attempts = (isNew ? 0 : (old?.attempts ?? 0)) + 1
  const times = { job: attempt.job, startedAt: attempt.startedAt, finishedAt: attempt.now }
  switch (verdict.kind) {
    case 'present':
      return {
        ...base,
        state: 'Present',
        ...definedDigest(verdict.digest ?? (answered === old?.requestedAt ? old?.digest : undefined)),
        ...registryDigest(isAnswer && wasAsked(desired, old, attempt) ? desired.digest : undefined, old),
        ...(answered !== undefined && { requestedAt: answered }),
        verifiedAt: attempt.now,
        ...times,
      }
    case 'failed':
      return {
        ...(staysPresent(desired, old) ? held(old) : { ...base, state: 'Failed' }),
        ...(answered !== undefined && { requestedAt: answered }),
        attempts,
        reason: verdict.reason,
        message: clip(verdict.message),
        ...times,
      }
    case 'unproven':
      return {
        ...(staysPresent(desired, old) ? held(old) : { ...base, ...unanswered(old), state: 'Pending' }),
        attempts,
        reason: UNPROVEN,
        ...times,
      }
    case 'unknown':
      if (attempts >= MAX_UNKNOWN) {
        const message = `${attempts} attempts came to nothing: ${verdict.message}`
        return record(desired, old, { kind: 'failed', reason: 'PullFailed', message }, attempt)
      }
      return {
        ...(staysPresent(desired, old) ? held(old) : { ...base, ...unanswered(old), state: 'Pending' }),
        attempts,
        message: clip(verdict.message),
        ...times,
      }
    case 'pulling':
      // What was there or had failed stays said until the new attempt says something else.
      return old && (old.state === 'Pulling' ? old.job === attempt.job : old.state !== 'Pending')
        ? old
        : {
            ...base,
            ...unanswered(old),
            state: 'Pulling',
            ...(old?.attempts && { attempts: old.attempts }),
            job: attempt.job,
            startedAt: attempt.startedAt,
          }
  }
}

/**
 * An image that could not be refreshed is still there: the registry was asked for a newer one, and the node keeps what
 * it has. One that was to be proved on the node and had to be pulled is not.
 */
function staysPresent(desired: DesiredImage, old: LedgerEntry | undefined): old is LedgerEntry {
  const isRefresh = !answers(old, desired) || (old !== undefined && hasFailed(old))
  return old?.state === 'Present' && desired.pullPolicy === 'Always' && isRefresh
}

/** The entry without what the last attempt said. */
function held(entry: LedgerEntry): LedgerEntry {
  const kept = { ...entry }
  delete kept.reason
  delete kept.message
  delete kept.attempts
  return kept
}

/** Image, credential and origin: what no verdict changes. */
export function identity(
  desired: { image: string; credential?: string | undefined },
  old: LedgerEntry | undefined,
): Pick<LedgerEntry, 'image' | 'credential' | 'pulledByUs'> {
  return {
    image: desired.image,
    ...(desired.credential !== undefined && { credential: desired.credential }),
    pulledByUs: old?.pulledByUs ?? true,
  }
}

/** Who wants the image, as the ledger keeps it for when nobody does. */
export function wantedBy({ owners, lists }: DesiredImage): Pick<LedgerEntry, 'owners' | 'lists'> {
  return { owners, ...(lists !== undefined && { lists }) }
}

/** True where the state answers the request as it stands. */
export function answers(entry: LedgerEntry | undefined, desired: DesiredImage): boolean {
  return (
    (entry?.state === 'Present' || entry?.state === 'Failed') &&
    entry.requestedAt !== undefined &&
    Date.parse(entry.requestedAt) >= Date.parse(desired.requestedAt)
  )
}

/** Entries by key. */
export function byKey(ledger: readonly LedgerEntry[]): Map<string, LedgerEntry> {
  return new Map(ledger.map(entry => [entryKey(entry), entry]))
}

/**
 * Folds white space and keeps 256 bytes. What is too long loses its middle: runtimes wrap the registry's words, which
 * come last.
 */
export function clip(message: string): string {
  const folded = message.replace(/\s+/g, ' ').trim()
  const bytes = Buffer.from(folded)
  if (bytes.length <= MESSAGE_BYTES) return folded
  const head = text(bytes.subarray(0, HEAD_BYTES))
  const tail = text(bytes.subarray(bytes.length - (MESSAGE_BYTES - HEAD_BYTES - 3)))
  return `${head}…${tail}`
}

/** The characters that are whole within the bytes. */
function text(bytes: Buffer): string {
  return new TextDecoder('utf-8').decode(bytes).replace(/^\uFFFD+|\uFFFD+$/g, '')
}

/**
 * The registry was asked before the pull, so that what it said then, or something newer, is what came. What was there already
 * was only proved on the node.
 */
function wasAsked(desired: DesiredImage, old: LedgerEntry | undefined, { madeAt = '' }: Attempt): boolean {
  const isProof = old?.state === 'Present' && answers(old, desired) && !hasFailed(old)
  return !isProof && Date.parse(desired.digestAt ?? '') <= Date.parse(madeAt)
}

/** What the registry said before this pull; a proof on the node leaves what was said before. */
function registryDigest(
  asked: string | undefined,
  old: LedgerEntry | undefined,
): Pick<LedgerEntry, 'registryDigest'> {
  const digest = asked ?? old?.registryDigest
  return digest === undefined ? {} : { registryDigest: digest }
}

function unanswered(old: LedgerEntry | undefined): Pick<LedgerEntry, 'requestedAt'> {
  return old?.requestedAt === undefined ? {} : { requestedAt: old.requestedAt }
}

function definedDigest(digest: string | undefined): Pick<LedgerEntry, 'digest'> {
  return digest === undefined ? {} : { digest }
}
