import { type DesiredImage, type LedgerEntry, type Removal, entryKey } from '../../api/node-images.ts'
import { type Due, type DueInput, pullDue, removalDue } from './due.ts'
import { byKey } from './entry.ts'

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
  const removals = input.mayRemove
    ? input.removals.filter(removal => {
        const due = removalDue(removal, entries.get(entryKey(removal)), input)
        if (due.kind === 'later') later.set(entryKey(removal), due.inMs)
        return due.kind === 'now'
      })
    : []
  return { pulls, removals, later }
}
