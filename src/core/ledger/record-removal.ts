import type { LedgerEntry, Removal, RemovalState } from '../../api/node-images.ts'
import { emptyEntry } from './entry.ts'
import type { AttemptFacts, RemovalVerdict } from './evidence.ts'
import { shortMessage } from './message.ts'

/**
 * True where the ledger, or the plan, says what became of a removal. A failed removal is tried again all
 * the same.
 */
export function isRemovalAnswered(removal: Removal, entry: LedgerEntry | undefined): boolean {
  if (removal.stays !== undefined) return true
  const answer = entry?.removal
  if (answer === undefined || answer.revision < removal.revision) return false
  return answer.state === 'Removed' || answer.state === 'Kept' || answer.state === 'Failed'
}

/**
 * The entry of an image whose removal is asked for and has not begun. Its last attempt to pull is of no use
 * any more.
 */
export function recordRemovalRequest(
  removal: Removal,
  old: LedgerEntry | undefined,
  now: string,
): LedgerEntry {
  const entry = old ?? { ...emptyEntry(removal, true), owners: removal.owners }
  const { state, revision } = entry.removal ?? {}
  // A Job that runs for an older request stays on record until it ends.
  const isKnown = state === 'Removing' || (state === 'Waiting' && revision === removal.revision)
  if (isKnown || isRemovalAnswered(removal, entry)) return entry
  const { attempt: _, removal: before, ...rest } = entry
  // The time of the last attempt keeps purges that follow each other from becoming a loop of Jobs.
  const finishedAt = before?.finishedAt
  const waiting = { state: 'Waiting' as const, revision: removal.revision, startedAt: now }
  return { ...rest, removal: { ...waiting, ...(finishedAt !== undefined && { finishedAt }) } }
}

/** The entry after a verdict about a removal. */
export function recordRemoval(
  removal: Removal,
  old: LedgerEntry | undefined,
  verdict: RemovalVerdict,
  { id, revision, startedAt }: AttemptFacts,
  now: string,
): LedgerEntry {
  const entry = old ?? { ...emptyEntry(removal, true), owners: removal.owners }
  const before = entry.removal
  const answered = Math.min(revision, removal.revision)
  const ended = { revision: answered, id, startedAt, finishedAt: now }
  switch (verdict.kind) {
    case 'removing':
      // An answer stays on record until this attempt ends.
      if (isRemovalAnswered({ ...removal, stays: undefined }, entry)) return entry
      if (before?.state === 'Removing' && before.id === id) return entry
      return { ...entry, removal: { state: 'Removing', revision: answered, id, startedAt } }
    case 'removed':
      return removedEntry(entry, { state: 'Removed', ...ended }, now)
    case 'kept': {
      const { reason } = verdict
      const message = shortMessage(verdict.message)
      const count = reason === 'InUse' && { count: looksAtInUse(before, removal) + 1 }
      const kept = { state: 'Kept' as const, ...ended, ...count, reason, ...(message && { message }) }
      return withPresent(entry, kept, now)
    }
    case 'failed': {
      const looks = looksAtInUse(before, removal)
      // What the last look has shown stays on record. It is looked at again.
      if (before && looks > 0) return { ...entry, removal: { ...before, ...ended, count: looks + 1 } }
      const { reason } = verdict
      const message = shortMessage(verdict.message)
      const count =
        (before?.state === 'Failed' && before.revision >= removal.revision ? (before.count ?? 0) : 0) + 1
      const failed = { state: 'Failed' as const, ...ended, count, reason, ...(message && { message }) }
      return { ...entry, removal: failed }
    }
  }
}

/** How often a removal was tried and the image was in use. */
function looksAtInUse(before: RemovalState | undefined, { revision }: Removal): number {
  const isInUse = before?.state === 'Kept' && before.reason === 'InUse' && before.revision >= revision
  return isInUse ? (before.count ?? 1) : 0
}

/** The entry of an image that is gone from the node. Its last attempt to pull is of no use any more. */
export function removedEntry(entry: LedgerEntry, removal: RemovalState, now: string): LedgerEntry {
  const { attempt: _, ...rest } = entry
  return { ...rest, presence: { state: 'Absent', since: now, by: 'Job' }, removal }
}

/** A runtime that keeps an image shows that it is there. */
function withPresent(entry: LedgerEntry, removal: RemovalState, now: string): LedgerEntry {
  const presence = entry.presence?.state === 'Present' ? entry.presence : undefined
  return { ...entry, presence: presence ?? { state: 'Present', since: now, by: 'Job' }, removal }
}
