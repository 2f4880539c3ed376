import { type DesiredImage, type LedgerEntry, type Removal, entryKey } from '../../api/node-images.ts'
import { type Due, type DueInput, pullDue } from './due.ts'
import { byKey } from './entry.ts'
import { mayLookEarly, removalDue } from './removal-due.ts'

/** An image that is to be pulled, or proved, now. */
export interface DuePull {
  readonly desired: DesiredImage
  readonly entry: LedgerEntry | undefined
  readonly due: Extract<Due, { kind: 'now' }>
}

/** What a node is to do. */
export interface OpenWork {
  readonly pulls: readonly DuePull[]
  readonly removals: readonly Removal[]
  /** Keys of images that are due later, with the time from now in milliseconds. */
  readonly later: ReadonlyMap<string, number>
}

/**
 * The open work of a node.
 *
 * @param input.startable keys of the images that the node may have work for now
 * @param input.mayRemove the node may have removals now
 */
export function openWork(
  input: DueInput & {
    readonly desired: readonly DesiredImage[]
    readonly removals: readonly Removal[]
    readonly ledger: readonly LedgerEntry[]
    readonly startable: ReadonlySet<string>
    readonly mayRemove: boolean
  },
): OpenWork {
  const entries = byKey(input.ledger)
  const pulls: DuePull[] = []
  const later = new Map<string, number>()
  for (const desired of input.desired) {
    const key = entryKey(desired)
    if (!input.startable.has(key)) continue
    const entry = entries.get(key)
    const due = pullDue(desired, entry, input)
    if (due.kind === 'now') pulls.push({ desired, entry, due })
    if (due.kind === 'later') later.set(key, due.inMs)
  }
  return { pulls, removals: input.mayRemove ? dueRemovals(input, entries, later) : [], later }
}

/** Removals that are due now, and images in use that are looked at together with them. */
function dueRemovals(
  input: Pick<DueInput, 'node' | 'now'> & { readonly removals: readonly Removal[] },
  entries: ReadonlyMap<string, LedgerEntry>,
  later: Map<string, number>,
): readonly Removal[] {
  const entryOf = (removal: Removal) => entries.get(entryKey(removal))
  const now = new Set<Removal>()
  for (const removal of input.removals) {
    const due = removalDue(removal, entryOf(removal), input)
    if (due.kind === 'later') later.set(entryKey(removal), due.inMs)
    if (due.kind === 'now') now.add(removal)
  }
  if (now.size === 0) return []
  return input.removals.filter(removal => now.has(removal) || mayLookEarly(removal, entryOf(removal), input))
}
