import { type LedgerEntry, entryKey } from '../../../api/node-images.ts'
import { jobHash } from './job-name.ts'
import { byKey, record, wantedBy } from '../../../core/ledger/index.ts'
import { nextJob } from './next-job.ts'
import type { Decision, JobRequest, NodeWork } from './node-work.ts'
import { type ReadJob, isForeign, readJob } from './read-job.ts'
import { withLatest } from '../../../core/ledger/index.ts'
import { settle, settleHopeless } from '../../../core/ledger/index.ts'
import { isDoubtful } from '../../../core/ledger/index.ts'

/** How soon a list that may be too old is held against the ledger again. */
const LIST_PATIENCE_MS = 30_000

/**
 * Decides what to do for one node: reads its Jobs, corrects the ledger by the node's own list, and chooses the next
 * batch. Pure: the same work gives the same decision, so it may be cut off anywhere and run again.
 */
export function decide(work: NodeWork): Decision {
  const readings = work.jobs.map(job => readJob(job, work))
  const read = settle(work, readings)
  // What a Job has just shown of a registry counts for the next Job at once, before the ledger is written.
  const seen = { ...work, registries: withLatest(work.registries, [...read.values()], work.now) }
  const ledger = settleHopeless(seen, read)
  const current = [...ledger.values()]
  const running = readings.filter(read => isRunning(read, work))
  const { start, ask, lookAgainMs } = nextJob({ ...seen, ledger: current }, ledger, running)
  const finished = readings.filter(read => mayGo(read, work)).map(read => read.job)
  const doubtful = current.some(entry => isDoubtful(work.node, entry)) ? LIST_PATIENCE_MS : undefined
  const waits = [lookAgainMs, doubtful, ...running.map(read => read.lookAgainMs)].filter(
    ms => ms !== undefined,
  )
  return {
    ledger: current.toSorted((a, b) => (entryKey(a) < entryKey(b) ? -1 : 1)),
    finished,
    unexplained: running.filter(read => read.unexplained).map(read => read.job),
    ...(start && { start }),
    ...(ask && { ask }),
    volumesDropped: readings.some(read => read.reading.volumesDropped && !isForeign(read.job, work)),
    ...(waits.length > 0 && { lookAgainMs: Math.max(50, Math.min(...waits)) }),
  }
}

/** The ledger after the API server refused to make the Job that was decided on. */
export function refuse(
  ledger: readonly LedgerEntry[],
  request: JobRequest,
  message: string,
  now: string,
): LedgerEntry[] {
  const entries = byKey(ledger)
  for (const desired of request.images) {
    const verdict = { kind: 'failed', reason: 'JobRefused', message } as const
    const attempt = { job: jobHash(request.name), requestedAt: request.requestedAt, startedAt: now, now }
    const key = entryKey(desired)
    entries.set(key, { ...record(desired, entries.get(key), verdict, attempt), ...wantedBy(desired) })
  }
  return [...entries.values()]
}

function isRunning(read: ReadJob, work: NodeWork): boolean {
  return (
    !read.reading.done &&
    !isForeign(read.job, work) &&
    !read.job.metadata.deletionTimestamp &&
    isWanted(read, work)
  )
}

/** At least one of the images that it still pulls is wanted. */
function isWanted({ job, reading }: ReadJob, work: NodeWork): boolean {
  return work.desired.some(
    desired =>
      desired.credential === job.credential && reading.verdicts.get(desired.image)?.kind === 'pulling',
  )
}

function mayGo(read: ReadJob, work: NodeWork): boolean {
  if (read.job.metadata.deletionTimestamp) return false
  if (isForeign(read.job, work)) return true
  return read.reading.done || !isWanted(read, work)
}
