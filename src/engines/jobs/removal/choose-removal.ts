import { createHash } from 'node:crypto'
import { type LedgerEntry, type Removal, entryKey } from '../../../api/node-images.ts'
import { byKey } from '../../../core/ledger/index.ts'
import type { NodeFacts } from '../../../core/node/index.ts'

/** Images of one Job. So many answers, with words for failures, fit into a termination message. */
const BATCH_SIZE = 200

/** A removal Job that is to be made. */
export interface RemovalRequest {
  readonly name: string
  readonly keys: readonly string[]
  readonly remove: readonly string[]
  /** References that stay on the node, whatever is removed. */
  readonly keep: readonly string[]
  /** Revision of the newest request among its images. */
  readonly revision: number
  /** When it is made, RFC 3339. */
  readonly startedAt: string
}

/**
 * The next removal Job of a node. Undefined where nothing can be removed now.
 *
 * @param removals removals that are due
 */
export function chooseRemoval(
  removals: readonly Removal[],
  {
    node,
    ledger,
    keep,
    now,
  }: {
    readonly node: NodeFacts
    readonly ledger: readonly LedgerEntry[]
    readonly keep: readonly string[]
    readonly now: number
  },
): RemovalRequest | undefined {
  const batch = removals.slice(0, BATCH_SIZE)
  if (batch.length === 0) return undefined
  const entries = byKey(ledger)
  const keys = batch.map(entryKey)
  const tries = batch.map(removal => {
    const { count = 0, finishedAt = '' } = entries.get(entryKey(removal))?.removal ?? {}
    return [removal.revision, count, finishedAt]
  })
  // The same decision gives the same name: a crash cannot make the Job twice.
  const hash = createHash('sha256')
    .update(JSON.stringify([node.metadata.uid ?? '', keys, tries]))
    .digest('hex')
  return {
    name: `kubefledged-purge-${hash.slice(0, 16)}`,
    keys,
    remove: batch.map(({ image }) => image),
    keep,
    revision: Math.max(...batch.map(({ revision }) => revision)),
    startedAt: new Date(now).toISOString(),
  }
}
