import { createHash } from 'node:crypto'
import { type LedgerEntry, type Removal, entryKey } from '../../../api/node-images.ts'
import { inTurn } from '../../../base/in-turn.ts'
import { byKey } from '../../../core/ledger/index.ts'
import type { NodeFacts } from '../../../core/node/index.ts'
import type { KeptReferences } from '../../../core/plan/index.ts'
import { tryParseReference } from '../../../oci/reference.ts'
import { fitKept, fitRemovals, isOverlong } from './fit-request.ts'

/** A removal Job to create. */
export interface RemovalRequest {
  readonly name: string
  /** Ledger keys of the images, in the order of `remove`. */
  readonly keys: readonly string[]
  /** References of the images to remove. */
  readonly remove: readonly string[]
  /** References that must stay on the node. */
  readonly keep: readonly string[]
  /** Repositories of which every digest must stay. */
  readonly keepRepositories: readonly string[]
  /** Revision of the newest request among its images. */
  readonly revision: number
  /** Time of creation, RFC 3339. */
  readonly startedAt: string
}

/** The next removal Job, or removals that no Job can carry out, with the reason. */
export type ChosenRemoval =
  | { readonly kind: 'start'; readonly request: RemovalRequest }
  | { readonly kind: 'fail'; readonly request: RemovalRequest; readonly message: string }

/** What the next removal Job is chosen from. */
export interface RemovalChoice {
  readonly node: NodeFacts
  readonly ledger: readonly LedgerEntry[]
  /** What the removal of these images must spare. */
  readonly keptBeside: (images: readonly string[]) => KeptReferences
  /** Images that the controller needs itself. */
  readonly ownImages: readonly string[]
  /** The namespace of a cache, by its owner hash. */
  readonly namespaceOf: (owner: string) => string
  readonly now: number
}

/**
 * The next removal Job of a node. Each namespace has its turn. Undefined where no removal is due.
 *
 * @param removals removals that are due
 */
export function chooseRemoval(
  removals: readonly Removal[],
  { node, ledger, keptBeside, ownImages, namespaceOf, now }: RemovalChoice,
): ChosenRemoval | undefined {
  if (removals.length === 0) return undefined
  const entries = byKey(ledger)
  const nothing = { keep: [], keepRepositories: [] }
  const odd = removals.filter(({ image }) => isOverlong(image) || !tryParseReference(image))
  if (odd.length > 0) {
    const request = requestOf(odd, entries, nothing, node, now)
    return { kind: 'fail', request, message: 'it is not an image reference' }
  }
  const batch = fitRemovals(inTurn(removals, ({ owners }) => namespaceOf(owners[0] ?? '')))
  const kept = fitKept(keptBeside(batch.map(({ image }) => image)), ownImages)
  const request = requestOf(batch, entries, kept ?? nothing, node, now)
  if (kept) return { kind: 'start', request }
  const message =
    'the caches for this node name more images without a registry than a removal can look up; write the registry, such as docker.io/library/nginx'
  return { kind: 'fail', request, message }
}

function requestOf(
  batch: readonly Removal[],
  entries: ReadonlyMap<string, LedgerEntry>,
  kept: Pick<RemovalRequest, 'keep' | 'keepRepositories'>,
  node: NodeFacts,
  now: number,
): RemovalRequest {
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
    ...kept,
    revision: Math.max(...batch.map(({ revision }) => revision)),
    startedAt: new Date(now).toISOString(),
  }
}
