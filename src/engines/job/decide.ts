import { type DesiredImage, type LedgerEntry, entryKey } from '../../api/node-images.ts'
import { BATCH_SIZE, type Batch, type DueImage, nextBatch } from './batch.ts'
import { pullDeadlineMs } from './deadline.ts'
import { due } from './due.ts'
import { jobHash, jobName } from './job-name.ts'
import { byKey, identity, record } from './ledger.ts'
import { type Decision, type JobRequest, type NodeWork } from './node-work.ts'
import { type PullJob } from './pull-job.ts'
import { type ReadJob, readJob } from './read-job.ts'
import { hostOf } from './registry-host.ts'
import { correct } from './truth.ts'

/** One pull of the kubelet's limit in milliseconds (`registryPullQPS` 5): a batch of ten earns its pulls in 2 s. */
const PULL_COST_MS = 200
/** Time that a Job is given beyond its pulls before Kubernetes ends it; ours is the shorter one while we live. */
const SAFETY_S = 600

/**
 * Decides what to do for one node: reads its Jobs, corrects the ledger by the node's own list, and chooses the next
 * batch. Pure: the same work gives the same decision, so it may be cut off anywhere and run again.
 */
export function decide(work: NodeWork): Decision {
  const readings = work.jobs.map(job => readJob(job, work))
  const ledger = settle(work, readings)
  const current = [...ledger.values()]
  const running = readings.filter(read => isRunning(read, work))
  const { start, lookAgainMs } = next({ ...work, ledger: current }, ledger, running)
  const finished = readings.filter(read => mayGo(read, work)).map(read => read.job)
  const waits = [lookAgainMs, ...running.map(read => read.lookAgainMs)].filter(ms => ms !== undefined)
  return {
    ledger: current.toSorted((a, b) => (entryKey(a) < entryKey(b) ? -1 : 1)),
    finished,
    unexplained: running.filter(read => read.unexplained).map(read => read.job),
    ...(start && { start }),
    volumesDropped: readings.some(read => read.reading.volumesDropped),
    ...(waits.length > 0 && { lookAgainMs: Math.max(50, Math.min(...waits)) }),
  }
}

/** The ledger of what is wanted, with what the Jobs and the node's list say of it. */
function settle(work: NodeWork, readings: readonly ReadJob[]): Map<string, LedgerEntry> {
  const now = new Date(work.now).toISOString()
  const old = byKey(work.ledger)
  const next = new Map<string, LedgerEntry>()
  for (const desired of work.desired) {
    const key = entryKey(desired)
    let entry = old.get(key)
    let inJob = false
    for (const { job, reading } of readings) {
      const verdict = reading.verdicts.get(desired.image)
      if (!verdict || job.credential !== desired.credential || isForeign(job, work)) continue
      if (isRecorded(job, entry)) continue
      inJob ||= verdict.kind === 'pulling'
      entry = record(desired, entry, verdict, {
        job: jobHash(job.metadata.name),
        requestedAt: job.requestedAt,
        startedAt: job.metadata.creationTimestamp ?? now,
        now,
      })
    }
    // The Job that it was in is gone unread: unknown, to be proved again.
    if (entry?.state === 'Pulling' && !inJob)
      entry = { ...identity(desired, entry), state: 'Pending', ...tries(entry) }
    next.set(
      key,
      correct(work.node, desired, entry, now) ?? { ...identity(desired, entry), state: 'Pending' },
    )
  }
  return settleSilent(work, next, now)
}

function tries(entry: LedgerEntry): Pick<LedgerEntry, 'attempts' | 'requestedAt' | 'finishedAt'> {
  return {
    attempts: (entry.attempts ?? 0) + 1,
    ...(entry.requestedAt !== undefined && { requestedAt: entry.requestedAt }),
    ...(entry.startedAt !== undefined && { finishedAt: entry.startedAt }),
  }
}

/** Images of a registry that does not answer fail with it, instead of each waiting for its own turn to find out. */
function settleSilent(
  work: NodeWork,
  ledger: Map<string, LedgerEntry>,
  now: string,
): Map<string, LedgerEntry> {
  for (const desired of work.desired) {
    const key = entryKey(desired)
    const entry = ledger.get(key)
    const host = hostOf(desired.image)
    if (entry?.state !== 'Pending' || work.registries.state(host) !== 'failing') continue
    ledger.set(key, {
      ...identity(desired, entry),
      state: 'Failed',
      requestedAt: desired.requestedAt,
      attempts: Math.max(1, entry.attempts ?? 0),
      reason: 'RegistryUnavailable',
      message: `${host} did not answer when another of its images was pulled; tried again when it does`,
      finishedAt: now,
    })
  }
  return ledger
}

/** Made for another Node object that had this name. */
function isForeign(job: PullJob, work: NodeWork): boolean {
  return job.nodeUid !== (work.node.metadata.uid ?? '')
}

/** The ledger knows this Job's result, or that of a later one. */
function isRecorded(job: PullJob, entry: LedgerEntry | undefined): boolean {
  if (!entry?.job) return false
  if (entry.job === jobHash(job.metadata.name)) return entry.state !== 'Pulling'
  return Date.parse(entry.startedAt ?? '') > Date.parse(job.metadata.creationTimestamp ?? '')
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
  if (read.reading.done) return !(work.settings.retainJobs && read.job.finished)
  return !isWanted(read, work)
}

function next(
  work: NodeWork,
  ledger: ReadonlyMap<string, LedgerEntry>,
  running: readonly ReadJob[],
): Pick<Decision, 'start' | 'lookAgainMs'> {
  const inFlight = new Set(
    running.flatMap(({ job }) => job.images.map(image => entryKey({ image, credential: job.credential }))),
  )
  const candidates: DueImage[] = []
  let soonest: number | undefined
  for (const desired of work.desired) {
    const key = entryKey(desired)
    if (!work.startable.has(key) || inFlight.has(key)) continue
    const entry = ledger.get(key)
    const when = due(desired, entry, work)
    if (when.kind === 'now') candidates.push({ desired, entry, due: when })
    if (when.kind === 'later') soonest = Math.min(soonest ?? when.inMs, when.inMs)
  }
  const later = soonest === undefined ? {} : { lookAgainMs: soonest }
  if (candidates.length === 0 || running.length > 0) return later
  const wait = paceMs(work)
  if (wait > 0) return { lookAgainMs: Math.min(wait, soonest ?? wait) }
  const batch = nextBatch(candidates, work)
  return batch ? { start: request(batch, work, ledger), ...later } : later
}

/** How long until the kubelet's limit has room for another batch, by when the last ones began. */
function paceMs(work: NodeWork): number {
  const begun = work.jobs
    .filter(job => !isForeign(job, work))
    .map(job => Date.parse(job.metadata.creationTimestamp ?? '') + job.images.length * PULL_COST_MS)
  return Math.max(0, ...begun) - work.now
}

function request(batch: Batch, work: NodeWork, ledger: ReadonlyMap<string, LedgerEntry>): JobRequest {
  const images = batch.proofOnly ? batch.images.map(asProof) : batch.images
  const newest = images.reduce(
    (latest, image) => (image.requestedAt > latest ? image.requestedAt : latest),
    '',
  )
  const deadline = pullDeadlineMs(batch.cache, work.settings) * Math.min(images.length, BATCH_SIZE)
  return {
    name: jobName(
      batch.cache.cache.metadata.name,
      work.node.metadata.uid ?? '',
      batch.method,
      images,
      ledger,
    ),
    cache: batch.cache,
    method: batch.method,
    images,
    proofOnly: batch.proofOnly,
    requestedAt: newest,
    activeDeadlineSeconds: Math.ceil(deadline / 1000) + SAFETY_S,
    urgent: batch.urgent,
  }
}

function asProof(image: DesiredImage): DesiredImage {
  return { ...image, pullPolicy: 'IfNotPresent' }
}
