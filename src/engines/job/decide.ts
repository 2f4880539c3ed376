import type { FailureReasonName } from '../../api/failure-reasons.ts'
import { REMOVED } from '../../api/kept-reasons.ts'
import { type DesiredImage, type LedgerEntry, entryKey } from '../../api/node-images.ts'
import { isNewerThan, shortHash } from '../../plan/index.ts'
import { BATCH_SIZE, type Batch, type DueImage, nextBatch } from './batch.ts'
import { pullDeadlineMs } from './deadline.ts'
import { due } from './due.ts'
import { holdsUpPulls } from './held-up.ts'
import { jobHash, jobName } from './job-name.ts'
import { byKey, clip, identity, record } from './ledger.ts'
import type { Decision, JobRequest, NodeWork } from './node-work.ts'
import type { PullJob } from './pull-job.ts'
import { type ReadJob, readJob } from './read-job.ts'
import { withLatest } from './registry-health.ts'
import { hostOf } from './registry-host.ts'
import { correct, isDoubtful, isGone } from './truth.ts'
import type { Verdict } from './verdict.ts'

/** One pull of the kubelet's limit in milliseconds (`registryPullQPS` 5): a batch of ten earns its pulls in 2 s. */
const PULL_COST_MS = 200
/** An image whose policy is Always is asked for again when the kubelet looks at the Pod again, which it does at least once. */
const ALWAYS_COST_MS = 2 * PULL_COST_MS
/** How soon a list that may be too old is held against the ledger again. */
const LIST_PATIENCE_MS = 30_000
/** Of a Job that somebody deleted. */
const GONE_UNREAD = { kind: 'unknown', message: 'the Job went away unread' } as const
/** Entries of images that nobody wants, for each node. */
const MOST_TOMBSTONES = 200
/** How soon a node that a deleted Pod holds up is looked at again. */
const HELD_UP_LOOK_MS = 30_000
/** Two Jobs of one node never share a creation time, which has no fractions. */
const LEAST_PACE_MS = 1_000
/** How soon to look whether this node may try a silent registry. */
const OTHERS_TURN_MS = 60_000
/** Time that a Job is given beyond its pulls before Kubernetes ends it; ours is the shorter one while we live. */
const SAFETY_S = 600

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
  const { start, lookAgainMs } = next({ ...seen, ledger: current }, ledger, running)
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
    volumesDropped: readings.some(read => read.reading.volumesDropped && !isForeign(read.job, work)),
    ...(waits.length > 0 && { lookAgainMs: Math.max(50, Math.min(...waits)) }),
  }
}

/** The ledger of what is wanted, with what the Jobs and the node's list say of it. */
function settle(work: NodeWork, readings: readonly ReadJob[]): Map<string, LedgerEntry> {
  const now = new Date(work.now).toISOString()
  const old = byKey(work.ledger)
  const secret = new Set(work.ledger.flatMap(entry => (entry.credential ? [entry.image] : [])))
  const next = new Map<string, LedgerEntry>()
  for (const desired of work.desired) {
    const key = entryKey(desired)
    let entry = wantedAgain(desired, old.get(key), now)
    let inJob = false
    for (const { job, reading } of readings) {
      const verdict = believed(reading.verdicts.get(desired.image), job, desired)
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
    if (entry?.state === 'Pulling' && !inJob) {
      entry = record(desired, entry, GONE_UNREAD, {
        job: entry.job ?? '',
        requestedAt: desired.requestedAt,
        startedAt: entry.startedAt ?? now,
        now: entry.startedAt ?? now,
      })
    }
    const corrected = correct(work.node, desired, entry, now, secret.has(desired.image))
    const isAdopted = !entry && corrected && wasKeptBefore(desired, work)
    const settled = corrected ?? { ...identity(desired, entry), state: 'Pending' as const }
    next.set(key, { ...settled, owners: desired.owners, ...(isAdopted && { pulledByUs: true }) })
  }
  for (const entry of tombstones(work, next)) next.set(entryKey(entry), entry)
  return next
}

/**
 * A Job speaks against images of its own cache only: whoever may make Jobs in one namespace shall not make an image fail
 * that the caches of others want. That an image is there is a matter of fact.
 */
function believed(verdict: Verdict | undefined, job: PullJob, desired: DesiredImage): Verdict | undefined {
  if (verdict?.kind !== 'failed' || desired.owners.includes(shortHash(job.ownerUid))) return verdict
  return { kind: 'unknown', message: verdict.message }
}

/** What a node holds when its ledger begins, kube-fledged pulled where it kept a cache with the image on that node. */
function wasKeptBefore(desired: DesiredImage, work: NodeWork): boolean {
  if (work.ledger.length > 0) return false
  const since = Date.parse(work.node.metadata.creationTimestamp ?? '')
  return desired.owners.some(owner => Date.parse(work.caches.get(owner)?.keptBeforeAt ?? '') >= since)
}

/** An image that was to be removed and is wanted after all: what a Job has done to it by now is not known. */
function wantedAgain(
  desired: DesiredImage,
  entry: LedgerEntry | undefined,
  now: string,
): LedgerEntry | undefined {
  if (entry?.state !== 'Removing') return entry
  return { ...identity(desired, entry), state: 'Pending', reason: REMOVED, finishedAt: now }
}

/**
 * What nobody wants any more stays on record while it is there: it says whose an image is, should it be removed. What is to
 * be removed stays until that is done, and what was removed until the node's list knows it.
 */
function tombstones(work: NodeWork, wanted: ReadonlyMap<string, LedgerEntry>): LedgerEntry[] {
  const left = work.ledger.filter(entry => !wanted.has(entryKey(entry)))
  const going = left.filter(entry => work.removing.has(entryKey(entry)))
  const others = left.filter(entry => {
    if (work.removing.has(entryKey(entry))) return false
    if (entry.reason === REMOVED) return !isNewerThan(work.node, entry.finishedAt)
    return entry.state === 'Present' && !isGone(work.node, entry)
  })
  return [...going, ...others.slice(0, MOST_TOMBSTONES)]
}

/**
 * Images of a registry that does not answer, and of a namespace that lets no Job be made, fail with it, instead of each
 * waiting for its own turn to find out.
 */
function settleHopeless(work: NodeWork, ledger: Map<string, LedgerEntry>): Map<string, LedgerEntry> {
  const now = new Date(work.now).toISOString()
  for (const desired of work.desired) {
    const key = entryKey(desired)
    const entry = ledger.get(key)
    const hopeless = entry?.state === 'Pending' ? hopelessness(desired, work) : undefined
    if (!hopeless) continue
    ledger.set(key, {
      ...identity(desired, entry),
      state: 'Failed',
      requestedAt: desired.requestedAt,
      attempts: Math.max(1, entry?.attempts ?? 0),
      reason: hopeless.reason,
      message: clip(hopeless.message),
      finishedAt: now,
    })
  }
  return ledger
}

function hopelessness(
  desired: DesiredImage,
  work: NodeWork,
): { reason: FailureReasonName; message: string } | undefined {
  const host = hostOf(desired.image)
  const state = work.registries.state(host)
  if (state === 'failing') {
    const message = `${host} did not answer when another of its images was pulled; tried again when it does`
    return { reason: 'RegistryUnavailable', message }
  }
  if (state === 'limited') {
    const message = `${host} limited the rate of pulls when another of its images was pulled; tried again later`
    return { reason: 'RateLimited', message }
  }
  const namespaces = desired.owners.map(owner => work.caches.get(owner)?.cache.metadata.namespace ?? '')
  const refusals = namespaces.map(namespace => work.refusedIn(namespace))
  const message = refusals.every(Boolean) ? refusals[0] : undefined
  return message === undefined ? undefined : { reason: 'JobRefused', message }
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
    entries.set(entryKey(desired), record(desired, entries.get(entryKey(desired)), verdict, attempt))
  }
  return [...entries.values()]
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
  return read.reading.done || !isWanted(read, work)
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
  // A removal ends in seconds, and what it was told to keep was said before these images were wanted.
  if (candidates.length === 0 || running.length > 0 || work.removalRuns) return later
  if (work.pods.some(pod => holdsUpPulls(pod, work.now))) {
    return { lookAgainMs: Math.min(HELD_UP_LOOK_MS, soonest ?? HELD_UP_LOOK_MS) }
  }
  const wait = paceMs(work)
  if (wait > 0) return { lookAgainMs: Math.min(wait, soonest ?? wait) }
  const batch = nextBatch(candidates, work)
  // Another node is trying the registry: no event of this node says when it has ended.
  if (!batch) return { lookAgainMs: Math.min(OTHERS_TURN_MS, soonest ?? OTHERS_TURN_MS) }
  return { start: request(batch, work, ledger), ...later }
}

/**
 * How long until the kubelet's limit has room for another batch, by when the last ones began: those that still are, and
 * those that are gone already, which the ledger knows by the second. By creation times of whole seconds Jobs are told apart.
 */
function paceMs(work: NodeWork): number {
  const always = new Set(
    work.desired.filter(({ pullPolicy }) => pullPolicy === 'Always').map(image => entryKey(image)),
  )
  const costOf = (keys: readonly string[]) =>
    keys.reduce((sum, key) => sum + (always.has(key) ? ALWAYS_COST_MS : PULL_COST_MS), 0)
  const own = work.jobs.filter(job => !isForeign(job, work))
  const pulls = own.map(({ startedAt, images, credential }) => {
    return [startedAt, costOf(images.map(image => entryKey({ image, credential })))] as const
  })
  const gone = Map.groupBy(
    work.ledger.filter(entry => entry.job !== undefined),
    entry => entry.startedAt ?? '',
  )
  for (const [startedAt, entries] of gone) pulls.push([startedAt, costOf(entries.map(entryKey))])
  const free = pulls
    .map(([begun, cost]) => Date.parse(begun) + Math.max(LEAST_PACE_MS, cost))
    .filter(time => !Number.isNaN(time))
  return Math.max(0, ...free) - work.now
}

function request(batch: Batch, work: NodeWork, ledger: ReadonlyMap<string, LedgerEntry>): JobRequest {
  const images = batch.proofOnly ? batch.images.map(asProof) : batch.images
  const newest = images
    .map(image => image.requestedAt)
    .reduce((latest, time) => (Date.parse(time) > Date.parse(latest) ? time : latest))
  const deadline = pullDeadlineMs(batch.cache, work.settings) * Math.min(images.length, BATCH_SIZE)
  return {
    name: jobName(batch.cache, work.node.metadata.uid ?? '', batch.method, images, ledger),
    cache: batch.cache,
    method: batch.method,
    images,
    proofOnly: batch.proofOnly,
    requestedAt: newest,
    startedAt: new Date(work.now).toISOString(),
    activeDeadlineSeconds: Math.ceil(deadline / 1000) + SAFETY_S,
    urgent: batch.urgent,
  }
}

function asProof(image: DesiredImage): DesiredImage {
  return { ...image, pullPolicy: 'IfNotPresent' }
}
