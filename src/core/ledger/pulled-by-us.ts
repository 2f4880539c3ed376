import type { DesiredImage, LedgerEntry } from '../../api/node-images.ts'
import { imageName } from '../../oci/reference.ts'
import type { CompiledCache } from '../demand/index.ts'
import type { Inventory, NodeFacts } from '../node/index.ts'

/**
 * Answers, for an image that the ledger has no entry of, whether the operator brings it. A purge leaves
 * other images.
 * Another entry of the same image decides, under any spelling and any credential.
 * Without one, an image that the node lists was there before, and an image that it does not list is pulled
 * by us.
 */
export function pulledByUs(work: {
  readonly node: NodeFacts
  readonly inventory: Inventory
  readonly ledger: readonly LedgerEntry[]
  readonly caches: ReadonlyMap<string, CompiledCache>
}): (desired: DesiredImage) => boolean {
  let known: Map<string, boolean> | undefined
  return desired => {
    known ??= originsByName(work.ledger)
    const isListed = work.inventory.find(desired.image).state === 'present'
    return known.get(imageName(desired.image)) ?? (!isListed || wasPulledByOldRelease(desired))
  }

  /** kube-fledged before 0.12 kept no ledger. What it finished on this node, it pulled. */
  function wasPulledByOldRelease(desired: DesiredImage): boolean {
    if (work.ledger.length > 0) return false
    const nodeMadeAt = Date.parse(work.node.metadata.creationTimestamp ?? '')
    return desired.owners.some(
      owner => Date.parse(work.caches.get(owner)?.legacyFinishedAt ?? '') >= nodeMadeAt,
    )
  }
}

/** By normalised name. True where any entry of the name is ours. */
function originsByName(ledger: readonly LedgerEntry[]): Map<string, boolean> {
  const known = new Map<string, boolean>()
  for (const entry of ledger) {
    const name = imageName(entry.image)
    known.set(name, known.get(name) === true || entry.pulledByUs !== false)
  }
  return known
}
