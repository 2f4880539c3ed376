import type { LedgerEntry, NodeImagesSpec } from '../../api/node-images.ts'
import type { CompiledCache } from '../demand/index.ts'
import type { NodeFacts } from '../node/index.ts'
import type { TagAnswers } from './answers.ts'
import { fitObjectSize } from './fit-object-size.ts'
import { planOwners } from './owners.ts'
import { planImages } from './plan-images.ts'
import { planRemovals } from './plan-removals.ts'

/** What the plan of one node is made from. */
export interface PlanInput extends TagAnswers {
  readonly node: NodeFacts
  /** The oldest first. */
  readonly caches: readonly CompiledCache[]
  /** `NodeImages.spec` as it stands: requests that were made stay made. */
  readonly previous: NodeImagesSpec
  readonly ledger: readonly LedgerEntry[]
}

/**
 * The plan of one node: `NodeImages.spec`. Pure.
 * All requests that are new get the same revision, the next number of the node. Where nothing is new, the
 * plan stays equal.
 */
export function planNode({ node, caches, previous, ledger, ...answers }: PlanInput): NodeImagesSpec {
  const { owners = {}, revision = 0 } = previous
  const existing = (previous.images ?? []).filter(hasRevision)
  const removals = (previous.remove ?? []).filter(hasRevision)
  const common = { node, caches, existing, owners, ledger, nextRevision: revision + 1 }
  const wanted = planImages({ ...common, ...answers })
  const remove = planRemovals({ ...common, desired: wanted, removals })
  const { images, crowdedOut } = fitObjectSize(wanted, caches, remove)
  const planned = [...images, ...remove]
  return {
    revision: Math.max(revision, ...planned.map(request => request.revision)),
    owners: planOwners(planned, caches, owners),
    images: [...images],
    ...(remove.length > 0 && { remove }),
    ...(crowdedOut.length > 0 && { crowdedOut: [...crowdedOut] }),
  }
}

/**
 * False for a request without a revision: the object was edited by hand, or written by a build without
 * revisions. The request is made again.
 */
function hasRevision(request: { readonly revision?: number }): boolean {
  return Number.isInteger(request.revision)
}
