import type { FailureReasonName } from '../../api/failure-reasons.ts'
import { type DesiredImage, type LedgerEntry, entryKey } from '../../api/node-images.ts'
import { hostOf } from '../../oci/registry-host.ts'
import type { CompiledCache } from '../demand/index.ts'
import type { Circuits } from './circuits.ts'
import { emptyEntry, hasPullFailed, isPresent } from './entry.ts'
import { shortMessage } from './message.ts'
import { MAX_OTHERS, failureFor } from './owner-failures.ts'

/**
 * Fails the images that wait for a registry that does not answer, or for a namespace where no Job can be
 * made.
 * Without this, each of them would wait for a turn of its own to find that out.
 */
export function failBlockedImages(
  work: {
    readonly desired: readonly DesiredImage[]
    readonly caches: ReadonlyMap<string, CompiledCache>
    readonly circuits: Circuits
    readonly now: number
  },
  ledger: readonly LedgerEntry[],
): LedgerEntry[] {
  const finishedAt = new Date(work.now).toISOString()
  const desired = new Map(work.desired.map(image => [entryKey(image), image]))
  return ledger.map(entry => {
    const wanted = desired.get(entryKey(entry))
    if (wanted && entry.attempt?.owner !== undefined && hasPullFailed(entry)) {
      return failForRefused(wanted, entry, work.caches, work.circuits, finishedAt)
    }
    const blocked = wanted && isWaiting(entry) ? blockedBy(wanted, work.caches, work.circuits) : undefined
    if (!wanted || !blocked) return entry
    const { owners, lists } = entry
    return {
      ...emptyEntry(entry, entry.pulledByUs ?? true),
      ...(entry.presence && { presence: entry.presence }),
      attempt: {
        state: 'Failed',
        revision: wanted.revision,
        count: Math.max(1, entry.attempt?.count ?? 0),
        reason: blocked.reason,
        message: shortMessage(blocked.message),
        finishedAt,
      },
      ...(owners && { owners }),
      ...(lists && { lists }),
    }
  })
}

/**
 * An image that failed for one cache: it fails too for the caches whose namespace takes no Job now, so that
 * they do not wait for a turn.
 */
function failForRefused(
  desired: DesiredImage,
  entry: LedgerEntry,
  caches: ReadonlyMap<string, CompiledCache>,
  circuits: Circuits,
  finishedAt: string,
): LedgerEntry {
  const { attempt } = entry
  const refused = desired.owners.flatMap(owner => {
    const known = failureFor(entry, owner)
    if (known && known.revision >= desired.revision) return []
    const refusal = circuits.namespaceRefusal(caches.get(owner)?.cache.metadata.namespace ?? '')
    const { revision } = desired
    const message = shortMessage(refusal ?? '')
    return refusal === undefined
      ? []
      : [{ owner, revision, count: 1, reason: 'JobRefused', message, finishedAt }]
  })
  if (!attempt || refused.length === 0) return entry
  const others = [...(attempt.otherFailures ?? []), ...refused].slice(0, MAX_OTHERS)
  return { ...entry, attempt: { ...attempt, otherFailures: others } }
}

/** Nothing is known of the image, and no attempt runs or has failed. */
function isWaiting(entry: LedgerEntry): boolean {
  const state = entry.attempt?.state
  return !isPresent(entry) && state !== 'Pulling' && state !== 'Failed'
}

function blockedBy(
  desired: DesiredImage,
  caches: ReadonlyMap<string, CompiledCache>,
  circuits: Circuits,
): { reason: FailureReasonName; message: string } | undefined {
  const host = hostOf(desired.image)
  const circuit = circuits.registry(host)
  if (circuit === 'open') {
    const message = `${host} did not answer when another of its images was pulled; tried again when it does`
    return { reason: 'RegistryUnavailable', message }
  }
  if (circuit === 'limited') {
    const message = `${host} limited the rate of pulls when another of its images was pulled; tried again later`
    return { reason: 'RateLimited', message }
  }
  const namespaces = desired.owners.map(owner => caches.get(owner)?.cache.metadata.namespace ?? '')
  const refusals = namespaces.map(namespace => circuits.namespaceRefusal(namespace))
  const message = refusals.every(Boolean) ? refusals[0] : undefined
  return message === undefined ? undefined : { reason: 'JobRefused', message }
}
