import { createHash } from 'node:crypto'
import { type LedgerEntry, type Removal, entryKey } from '../../../api/node-images.ts'
import { byKey } from '../../../core/ledger/index.ts'
import type { NodeFacts } from '../../../core/node/index.ts'

/**
 * Greatest number of images of one Job. Their answers, with failure messages, fit into a termination message.
 */
const BATCH_SIZE = 200

/** A removal Job to create. */
export interface RemovalRequest {
  readonly name: string
  /** Ledger keys of the images, in the order of `remove`. */
  readonly keys: readonly string[]
  /** References of the images to remove. */
  readonly remove: readonly string[]
  /** References that must stay on the node. */
  readonly keep: readonly string[]
  /** Revision of the newest request among its images. */
  readonly revision: number
  /** Time of creation, RFC 3339. */
  readonly startedAt: string
}

/**
 * The next removal Job of a node. Undefined where no removal is due.
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
  // The same decision always gives the same name, so a crash cannot create the Job twice.
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
