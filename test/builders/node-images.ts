import type {
  DesiredImage,
  LedgerEntry,
  NodeImages,
  NodeImagesSpec,
  Removal,
} from '../../src/api/node-images.ts'
import type { CompiledCache } from '../../src/core/demand/index.ts'
import type { NodeFacts } from '../../src/core/node/index.ts'
import { at } from './time.ts'

/** Images that a cache asks a node for, with revision 1. */
export function desiredOf(images: readonly string[], owner: CompiledCache): DesiredImage[] {
  return images.map(image => ({
    image,
    pullPolicy: 'IfNotPresent',
    revision: 1,
    owners: [owner.owner],
    ...(owner.credential !== undefined && { credential: owner.credential }),
  }))
}

/** A removal with revision 1. */
export function removalOf(image: string, changes: Partial<Removal> = {}): Removal {
  return { image, owners: ['x'], revision: 1, ...changes }
}

/** A ledger entry of an image that a Job has pulled for revision 1, one second after the tests begin. */
export function entryOf(image: string, changes: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    image,
    presence: { state: 'Present', since: at(1), by: 'Job', revision: 1 },
    pulledByUs: true,
    ...changes,
  }
}

/** The same, of an image that the list of the node has shown since. */
export function listedEntryOf(image: string, changes: Partial<LedgerEntry> = {}): LedgerEntry {
  const { presence, ...entry } = entryOf(image, changes)
  return { ...entry, ...(presence && { presence: { ...presence, listed: true } }) }
}

/** A ledger entry of an image whose pull failed for revision 1. */
export function failedEntryOf(
  image: string,
  reason: string,
  changes: Partial<NonNullable<LedgerEntry['attempt']>> = {},
): LedgerEntry {
  return {
    image,
    attempt: {
      state: 'Failed',
      revision: 1,
      count: 1,
      reason,
      id: '0123456789',
      startedAt: at(0),
      finishedAt: at(1),
      ...changes,
    },
    pulledByUs: true,
  }
}

/** The NodeImages of a node. */
export function nodeImagesOf(
  { metadata: { name, uid = '' } }: NodeFacts,
  spec: NodeImagesSpec,
  ledger: readonly LedgerEntry[],
): NodeImages {
  return {
    metadata: { name, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid }] },
    spec,
    status: { images: [...ledger] },
  }
}
