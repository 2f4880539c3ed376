import { hasFailed, isPermanent } from '../../api/failure-reasons.ts'
import { REMOVED } from '../../api/kept-reasons.ts'
import { type DesiredImage, type LedgerEntry, entryKey } from '../../api/node-images.ts'
import { isWhole } from '../node/index.ts'
import { backoffMs, fraction } from '../../base/backoff.ts'
import { answers } from './ledger.ts'
import type { NodeWork } from '../../engines/jobs/pull/index.ts'
import { isSilence } from './registry-health.ts'
import { hostOf } from '../../oci/registry-host.ts'

/** Whether an image needs a Job. */
export type Due =
  /** Not now, and by time alone never. */
  | { readonly kind: 'settled' }
  /** Not before that many milliseconds from now. */
  | { readonly kind: 'later'; readonly inMs: number }
  /** Now. `ask` where the registry is to be asked, `prove` where only the node is. `urgent` where nobody has tried it. */
  | { readonly kind: 'now'; readonly how: 'ask' | 'prove'; readonly urgent: boolean }

const SETTLED: Due = { kind: 'settled' }

/** Whether a desired image needs a Job, and when. */
export function due(desired: DesiredImage, entry: LedgerEntry | undefined, work: NodeWork): Due {
  const answered = answers(entry, desired)
  if (entry && answered && hasFailed(entry)) return retry(desired, entry, work)
  if (entry?.state === 'Present' && answered) return recheck(desired, entry, work)
  // A proof that keeps coming to nothing (Pods deleted, throttled pulls) must not turn into a loop.
  const attempts = entry?.attempts ?? 0
  const isAskedAgain = entry !== undefined && hasFailed(entry)
  const pause = attempts > 2 && !isAskedAgain ? backoffMs(attempts - 2, jitterKey(desired, work)) : 0
  const at = Date.parse(entry?.finishedAt ?? '') + pause
  if (pause > 0 && at > work.now) return { kind: 'later', inMs: at - work.now }
  const isFirst = attempts === 0 && (entry?.reason === undefined || entry.reason === REMOVED)
  return {
    kind: 'now',
    how: 'ask',
    urgent: entry?.state === 'Failed' || (entry?.state !== 'Present' && isFirst),
  }
}

function retry(desired: DesiredImage, entry: LedgerEntry, work: NodeWork): Due {
  if (isPermanent(entry.reason) && !lacksSecret(desired, entry)) return SETTLED
  const at = Date.parse(entry.finishedAt ?? '') + backoffMs(entry.attempts ?? 1, jitterKey(desired, work))
  const recovered = recoveredAt(desired, entry, work)
  const isBack = recovered !== undefined && Date.parse(recovered) > Date.parse(entry.finishedAt ?? '')
  if (isBack || !(at > work.now)) return { kind: 'now', how: 'ask', urgent: false }
  return { kind: 'later', inMs: Math.min(at, trialAt(entry, desired, work) ?? at) - work.now }
}

/** When a node whose own Job was refused tries its namespace again; the others hear of it when it is open. */
function trialAt(entry: LedgerEntry, desired: DesiredImage, work: NodeWork): number | undefined {
  if (entry.reason !== 'JobRefused' || entry.job === undefined) return undefined
  const times = namespacesOf(desired, work).map(namespace => work.refusedUntil(namespace))
  return times.find(time => time !== undefined && time > work.now)
}

function namespacesOf(desired: DesiredImage, work: NodeWork): string[] {
  return desired.owners.map(owner => work.caches.get(owner)?.cache.metadata.namespace ?? '')
}

/**
 * The kubelet asked without credentials although the cache names pull secrets: the Secret is not there yet, or was not shown to
 * the kubelet yet, which happens for a moment after it was made. Nobody tells us when that changes. A secret that the
 * registry refuses is another matter: tried again and again, it may lock an account.
 */
function lacksSecret(desired: DesiredImage, entry: LedgerEntry): boolean {
  return desired.credential !== undefined && /no basic auth credentials/.test(entry.message ?? '')
}

/** When what stood in the way of all images of a registry, or of a namespace, was over. */
function recoveredAt(desired: DesiredImage, entry: LedgerEntry, work: NodeWork): string | undefined {
  // An error that a registry answers with is its image's own; silence is over for all images at once.
  if (isSilence(entry)) return work.registries.lastSuccess(hostOf(desired.image))
  if (entry.reason !== 'JobRefused') return undefined
  const open = namespacesOf(desired, work).filter(namespace => work.refusedIn(namespace) === undefined)
  return open.map(namespace => work.admittedAt(namespace)).find(time => time !== undefined)
}

function recheck(desired: DesiredImage, entry: LedgerEntry, work: NodeWork): Due {
  // A whole list is looked at with every report of the node: nothing to prove.
  if (isWhole(work.node) || work.settings.recheckIntervalMs <= 0) return SETTLED
  const verified = Date.parse(entry.verifiedAt ?? '')
  const pressure = Date.parse(work.node.diskPressureAt ?? '')
  const jitter = 0.9 + 0.2 * fraction(jitterKey(desired, work))
  const at = verified + work.settings.recheckIntervalMs * jitter
  if (pressure > verified || !(at > work.now)) return { kind: 'now', how: 'prove', urgent: false }
  return { kind: 'later', inMs: at - work.now }
}

/** Differs from node to node, so that they do not all come back in the same second. */
function jitterKey(desired: DesiredImage, work: NodeWork): string {
  return `${work.node.metadata.uid ?? ''} ${entryKey(desired)}`
}
