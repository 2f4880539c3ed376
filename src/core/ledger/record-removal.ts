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
  const { attempt: _, ...rest } = entry
  return { ...rest, removal: { state: 'Waiting', revision: removal.revision, startedAt: now } }
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
      return withPresent(entry, { state: 'Kept', ...ended, reason, ...(message && { message }) }, now)
    }
    case 'failed': {
      const { reason } = verdict
      const message = shortMessage(verdict.message)
      const count =
        (before?.state === 'Failed' && before.revision >= removal.revision ? (before.count ?? 0) : 0) + 1
      const failed = { state: 'Failed' as const, ...ended, count, reason, ...(message && { message }) }
      return { ...entry, removal: failed }
    }
  }
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
