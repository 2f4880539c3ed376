import type { FailureReasonName } from '../../api/failure-reasons.ts'
import { REMOVED } from '../../api/kept-reasons.ts'
import { type DesiredImage, type LedgerEntry, entryKey } from '../../api/node-images.ts'
import { isNewerThan } from '../node/index.ts'
import { shortHash } from '../demand/index.ts'
import { jobHash } from '../../engines/jobs/pull/index.ts'
import { byKey, clip, identity, record, wantedBy } from './ledger.ts'
import { originOf } from './origin.ts'
import type { NodeWork } from '../../engines/jobs/pull/index.ts'
import type { PullJob } from '../../engines/jobs/pull/index.ts'
import { type ReadJob, isForeign } from '../../engines/jobs/pull/index.ts'
import { hostOf } from '../../oci/registry-host.ts'
import { correct, isGone } from './truth.ts'
import type { Verdict } from '../../engines/jobs/pull/index.ts'

/** Of a Job that somebody deleted. */
const GONE_UNREAD = { kind: 'unknown', message: 'the Job went away unread' } as const
/** Entries of images that nobody wants, for each node. */
const MAX_TOMBSTONES = 200

/** The ledger of what is wanted, with what the Jobs and the node's list say of it. */
export function settle(work: NodeWork, readings: readonly ReadJob[]): Map<string, LedgerEntry> {
  const now = new Date(work.now).toISOString()
  const old = byKey(work.ledger)
  const secret = new Set(work.ledger.flatMap(entry => (entry.credential ? [entry.image] : [])))
  const next = new Map<string, LedgerEntry>()
  const isOurs = originOf(work)
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
        madeAt: job.startedAt,
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
    const isFirst = entry === undefined
    const corrected = correct(work.node, desired, entry, now, secret.has(desired.image))
    const settled = corrected ?? { ...identity(desired, entry), state: 'Pending' as const }
    next.set(key, {
      ...settled,
      ...wantedBy(desired),
      ...(isFirst && { pulledByUs: isOurs(desired) }),
    })
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
  return [...going, ...others.slice(0, MAX_TOMBSTONES)]
}

/**
 * Images of a registry that does not answer, and of a namespace that lets no Job be made, fail with it, instead of each
 * waiting for its own turn to find out.
 */
export function settleHopeless(work: NodeWork, ledger: Map<string, LedgerEntry>): Map<string, LedgerEntry> {
  const now = new Date(work.now).toISOString()
  for (const desired of work.desired) {
    const key = entryKey(desired)
    const entry = ledger.get(key)
    const hopeless = entry?.state === 'Pending' ? hopelessness(desired, work) : undefined
    if (!hopeless) continue
    ledger.set(key, {
      ...identity(desired, entry),
      ...wantedBy(desired),
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

/** The ledger knows this Job's result, or that of a later one. */
function isRecorded(job: PullJob, entry: LedgerEntry | undefined): boolean {
  if (!entry?.job) return false
  if (entry.job === jobHash(job.metadata.name)) return entry.state !== 'Pulling'
  return Date.parse(entry.startedAt ?? '') > Date.parse(job.metadata.creationTimestamp ?? '')
}
