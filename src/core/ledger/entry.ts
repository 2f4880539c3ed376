import { type DesiredImage, type LedgerEntry, entryKey } from '../../api/node-images.ts'
import { failureFor } from './owner-failures.ts'

/** Questions about one entry of the ledger. */

/** True where the image is known to be on the node. */
export function isPresent(entry: LedgerEntry | undefined): boolean {
  return entry?.presence?.state === 'Present'
}

/**
 * True where the last attempt to pull the image failed. An older image may still be there.
 *
 * @param owner short hash of a cache: true where it failed for this cache
 */
export function hasPullFailed(entry: LedgerEntry | undefined, owner?: string): boolean {
  if (owner !== undefined) return failureFor(entry, owner) !== undefined
  return entry?.attempt?.state === 'Failed'
}

/**
 * True where the ledger answers the newest request for the image: it is there, or the attempt failed for all
 * caches that want it.
 *
 * @param owner short hash of a cache: true where the request of this cache is answered
 */
export function isPullAnswered(
  entry: LedgerEntry | undefined,
  { revision, owners }: DesiredImage,
  owner?: string,
): boolean {
  if (!entry) return false
  const { presence, attempt } = entry
  if (presence?.state === 'Present' && (presence.revision ?? 0) >= revision) return true
  const hasFailedFor = (one: string) => (failureFor(entry, one)?.revision ?? -1) >= revision
  if (owner !== undefined) return hasFailedFor(owner)
  if (attempt?.state !== 'Failed') return false
  return attempt.owner === undefined ? attempt.revision >= revision : owners.every(hasFailedFor)
}

/**
 * When the last attempt to pull the image ended, RFC 3339.
 * Absent while it runs, where there was none, and where the image has gone since.
 */
export function attemptEndedAt(entry: LedgerEntry): string | undefined {
  if (entry.attempt?.state !== 'Succeeded') return entry.attempt?.finishedAt
  return isPresent(entry) ? entry.presence?.since : undefined
}

/** Entries by key. */
export function byKey<T extends { image: string; credential?: string | undefined }>(
  entries: readonly T[],
): Map<string, T> {
  return new Map(entries.map(entry => [entryKey(entry), entry]))
}

/** An entry of an image that nothing is known of. */
export function emptyEntry(
  { image, credential }: { image: string; credential?: string | undefined },
  pulledByUs: boolean,
): LedgerEntry {
  return { image, ...(credential !== undefined && { credential }), pulledByUs }
}

/** The number of images in each state, for the columns of `kubectl get nodeimages`. */
export function countImages(
  desired: readonly DesiredImage[],
  ledger: readonly LedgerEntry[],
): { desired: number; present: number; failed: number; removing: number } {
  const wanted = new Set(desired.map(entryKey))
  const isWanted = (entry: LedgerEntry) => wanted.has(entryKey(entry))
  const count = (test: (entry: LedgerEntry) => boolean) => ledger.filter(test).length
  return {
    desired: wanted.size,
    present: count(entry => isPresent(entry) && isWanted(entry)),
    failed: count(entry => (hasPullFailed(entry) && isWanted(entry)) || entry.removal?.state === 'Failed'),
    removing: count(({ removal }) => removal?.state === 'Waiting' || removal?.state === 'Removing'),
  }
}
