import { type DesiredImage, type LedgerEntry, entryKey } from '../../../api/node-images.ts'
import { BATCH_SIZE, type Batch, type DueImage, nextBatch } from './batch.ts'
import { pullDeadlineMs } from './deadline.ts'
import { due } from '../../../core/ledger/index.ts'
import { holdsUpPulls } from './held-up.ts'
import { jobName } from './job-name.ts'
import type { Decision, JobRequest, NodeWork } from './node-work.ts'
import { type ReadJob, isForeign } from './read-job.ts'

/** One pull of the kubelet's limit in milliseconds (`registryPullQPS` 5): a batch of ten earns its pulls in 2 s. */
const PULL_COST_MS = 200
/** An image whose policy is Always is asked for again when the kubelet looks at the Pod again, which it does at least once. */
const ALWAYS_COST_MS = 2 * PULL_COST_MS
/** How soon a node that a deleted Pod holds up is looked at again. */
const HELD_UP_LOOK_MS = 30_000
/** Two Jobs of one node never share a creation time, which has no fractions. */
const MIN_PACE_MS = 1_000
/** How soon to look whether this node may try a silent registry. */
const OTHERS_TURN_MS = 60_000
/** Time that a Job is given beyond its pulls before Kubernetes ends it; ours is the shorter one while we live. */
const SAFETY_S = 600

/**
 * The next Job of a node, or the images whose registry is to be asked before there is one, and when time alone may bring another.
 *
 * @param ledger settled, by entry key
 * @param running Jobs of the node that pull something that is wanted
 */
export function nextJob(
  work: NodeWork,
  ledger: ReadonlyMap<string, LedgerEntry>,
  running: readonly ReadJob[],
): Pick<Decision, 'start' | 'ask' | 'lookAgainMs'> {
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
  const ask = batch.proofOnly ? [] : batch.images.filter(image => isToBeAsked(image, work))
  return ask.length > 0 ? { ask, ...later } : { start: request(batch, work, ledger), ...later }
}

/** What a moving tag stands for is known before it is pulled, so that the first refresh has something to compare with. */
function isToBeAsked(image: DesiredImage, work: NodeWork): boolean {
  return image.pullPolicy === 'Always' && work.isToBeAsked(image)
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
    .map(([begun, cost]) => Date.parse(begun) + Math.max(MIN_PACE_MS, cost))
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
