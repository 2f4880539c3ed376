import { createHash } from 'node:crypto'
import { hasFailed } from '../../../api/failure-reasons.ts'
import { REMOVED } from '../../../api/kept-reasons.ts'
import { type LedgerEntry, type Removal, entryKey } from '../../../api/node-images.ts'
import { isAnswered } from '../../../core/plan/index.ts'
import { backoffMs } from '../../../base/backoff.ts'
import { byKey, clip } from '../../../core/ledger/index.ts'
import { isGone } from '../../../core/ledger/index.ts'
import { type RemovalAnswer, readRemoval } from './read-removal.ts'
import type { RemovalJob } from './removal-job.ts'
import type { RemovalDecision, RemovalRequest, RemovalWork } from './removal-work.ts'

/** Images of one Job: the answers for so many, with words for those that fail, fit into a termination message. */
const BATCH = 200
/** How soon to look again while something that has to go first is being pulled. */
const PULLING_MS = 5_000

/**
 * Decides about removals from one node: reads its removal Jobs into the ledger, and starts the next one. One Job at a time
 * on a node; it may run beside pulls of other images. Pure.
 */
export function decideRemoval(work: RemovalWork): RemovalDecision {
  const ledger = byKey(work.ledger)
  const finished: RemovalJob[] = []
  const unexplained: RemovalJob[] = []
  const waits: number[] = []
  let running: RemovalJob | undefined
  for (const job of work.jobs) {
    const isForeign = job.nodeUid !== (work.node.metadata.uid ?? '')
    const reading = readRemoval(job, work)
    if (isForeign || reading.kind === 'done') {
      if (!job.metadata.deletionTimestamp) finished.push(job)
      if (!isForeign && reading.kind === 'done') record(work, ledger, job, reading.answers)
      continue
    }
    running = job
    waits.push(reading.lookAgainMs)
    if (reading.unexplained) unexplained.push(job)
  }
  settleGone(work, ledger)
  const open = work.removals.filter(removal => isOpen(removal, ledger.get(entryKey(removal))))
  for (const removal of open) mark(work, ledger, removal, running)
  const ready = running ? [] : open.filter(removal => isReady(removal, ledger, work, waits))
  const start = ready.length > 0 ? request(ready.slice(0, BATCH), ledger, work) : undefined
  return {
    ledger: [...ledger.values()].toSorted((a, b) => (entryKey(a) < entryKey(b) ? -1 : 1)),
    finished,
    unexplained,
    ...(start && { start }),
    ...(waits.length > 0 && { lookAgainMs: Math.max(50, Math.min(...waits)) }),
  }
}

/** The ledger after a removal Job was made: whoever reads it sees what is being done. */
export function removing(
  ledger: readonly LedgerEntry[],
  { name, keys }: RemovalRequest,
  now: string,
): LedgerEntry[] {
  const started = new Set(keys)
  return ledger.map(entry =>
    // What failed says so until this attempt says something else.
    started.has(entryKey(entry)) && entry.state === 'Removing'
      ? { ...bare(entry), state: 'Removing', job: name, startedAt: now }
      : entry,
  )
}

/** The ledger after the Job could not be made: `JobRefused` where the API server said so, else `RemovalFailed`. */
export function refuseRemoval(
  ledger: readonly LedgerEntry[],
  request: RemovalRequest,
  answer: { readonly reason: 'JobRefused' | 'RemovalFailed'; readonly message: string },
  now: string,
): LedgerEntry[] {
  const refused = new Set(request.keys)
  return ledger.map(entry =>
    refused.has(entryKey(entry)) ? answered(entry, answer, request.requestedAt, now, request.name) : entry,
  )
}

/** No answer yet, or a failure that is worth another try. */
function isOpen(removal: Removal, entry: LedgerEntry | undefined): boolean {
  if (removal.stays !== undefined) return false
  return !isAnswered(removal, entry) || (entry !== undefined && hasFailed(entry))
}

function record(
  work: RemovalWork,
  ledger: Map<string, LedgerEntry>,
  job: RemovalJob,
  answers: ReadonlyMap<string, RemovalAnswer>,
): void {
  const now = new Date(work.now).toISOString()
  const wanted = new Map(work.removals.map(removal => [entryKey(removal), removal]))
  for (const [key, answer] of answers) {
    const removal = wanted.get(key)
    const entry = ledger.get(key)
    // Wanted again meanwhile: to be proved anew, whatever became of it.
    if (!removal) continue
    const isKnown = entry?.job === job.metadata.name && entry.state !== 'Removing'
    if (isKnown) continue
    const base: LedgerEntry = entry ?? { image: removal.image, state: 'Pending' }
    ledger.set(key, answered(base, answer, job.requestedAt, now, job.metadata.name))
  }
}

/** The node's own list shows that something that stayed, or could not be removed, has gone since. */
function settleGone(work: RemovalWork, ledger: Map<string, LedgerEntry>): void {
  const now = new Date(work.now).toISOString()
  for (const removal of work.removals) {
    const key = entryKey(removal)
    const entry = ledger.get(key)
    if (entry?.state !== 'Present' || !isAnswered({ ...removal, stays: undefined }, entry)) continue
    if (isGone(work.node, entry)) ledger.set(key, gone(entry, now))
  }
}

/** Shows that an image is to go before its Job is made. */
function mark(
  work: RemovalWork,
  ledger: Map<string, LedgerEntry>,
  removal: Removal,
  running: RemovalJob | undefined,
): void {
  const key = entryKey(removal)
  const entry = ledger.get(key)
  // What failed says so until another attempt says something else.
  if (entry && isAnswered(removal, entry)) return
  const inJob = running?.keys.includes(key) === true
  const { image, credential, owners } = removal
  const base = entry ?? { image, ...(credential !== undefined && { credential }), owners }
  const isSame = entry?.state === 'Removing' && (entry.job === undefined) !== inJob
  if (isSame) return
  ledger.set(key, {
    ...bare(base),
    state: 'Removing',
    startedAt: entry?.state === 'Removing' && entry.startedAt ? entry.startedAt : iso(work.now),
    ...(inJob && { job: running.metadata.name }),
  })
}

function isReady(
  removal: Removal,
  ledger: ReadonlyMap<string, LedgerEntry>,
  work: RemovalWork,
  waits: number[],
): boolean {
  if (!work.eligible) return false
  if (work.pulling.has(removal.image)) {
    waits.push(PULLING_MS)
    return false
  }
  const entry = ledger.get(entryKey(removal))
  if (!entry || !isAnswered(removal, entry)) return true
  const jitterKey = `${work.node.metadata.uid ?? ''} ${entryKey(removal)}`
  const at = Date.parse(entry.finishedAt ?? '') + backoffMs(entry.attempts ?? 1, jitterKey)
  if (!(at > work.now)) return true
  waits.push(at - work.now)
  return false
}

function request(
  removals: readonly Removal[],
  ledger: ReadonlyMap<string, LedgerEntry>,
  work: RemovalWork,
): RemovalRequest {
  const keys = removals.map(entryKey)
  const uid = work.node.metadata.uid ?? ''
  const attempts = keys.map(key => [ledger.get(key)?.attempts ?? 0, ledger.get(key)?.finishedAt ?? ''])
  const what = JSON.stringify([uid, keys, removals.map(removal => removal.requestedAt), attempts])
  const hash = createHash('sha256').update(what).digest('hex').slice(0, 16)
  return {
    name: `kubefledged-purge-${hash}`,
    keys,
    remove: removals.map(({ image }) => image),
    keep: work.keep,
    requestedAt: removals
      .map(removal => removal.requestedAt)
      .reduce((newest, time) => (Date.parse(time) > Date.parse(newest) ? time : newest)),
  }
}

function answered(
  entry: LedgerEntry,
  { reason, message }: RemovalAnswer,
  requestedAt: string,
  now: string,
  job: string,
): LedgerEntry {
  const isFailure = hasFailed({ state: 'Present', reason })
  const isRetry = entry.state === 'Present' && entry.reason !== undefined && hasFailed(entry)
  return {
    ...bare(entry),
    state: reason === REMOVED ? 'Pending' : 'Present',
    reason,
    ...(message && { message: clip(message) }),
    ...(isFailure && { attempts: (isRetry ? (entry.attempts ?? 0) : 0) + 1 }),
    ...(reason !== REMOVED && { verifiedAt: entry.verifiedAt ?? now }),
    requestedAt,
    job,
    finishedAt: now,
  }
}

function gone(entry: LedgerEntry, now: string): LedgerEntry {
  return {
    ...bare(entry),
    state: 'Pending',
    reason: REMOVED,
    ...(entry.requestedAt !== undefined && { requestedAt: entry.requestedAt }),
    finishedAt: now,
  }
}

/** What stays true of an image whatever happens to it. */
function bare(
  entry: Omit<LedgerEntry, 'state'>,
): Pick<LedgerEntry, 'image' | 'credential' | 'owners' | 'lists' | 'pulledByUs'> {
  const { image, credential, owners, lists, pulledByUs } = entry
  return {
    image,
    ...(credential !== undefined && { credential }),
    ...(owners !== undefined && { owners }),
    ...(lists !== undefined && { lists }),
    ...(pulledByUs !== undefined && { pulledByUs }),
  }
}

function iso(now: number): string {
  return new Date(now).toISOString()
}
