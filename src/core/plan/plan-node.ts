import type { LedgerEntry, NodeImagesSpec } from '../../api/node-images.ts'
import type { CompiledCache } from '../demand/index.ts'
import type { NodeFacts } from '../node/index.ts'
import type { TagAnswers } from './answers.ts'
import { type Claim, claimsOf } from './claims.ts'
import { fitObjectSize } from './fit-object-size.ts'
import { planOwners, withoutIdleEdits } from './owners.ts'
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
  const common = { existing, owners, ledger, nextRevision: revision + 1 }
  const wanted = claimsOf(node, caches, existing)
  const remove = planRemovals({ ...common, node, caches, desired: wanted.claims.map(request), removals })
  const fitting = fitObjectSize(wanted.claims, remove)
  const images = planImages({ ...common, ...answers, claims: fitting.claims })
  const crowdedOut = [...wanted.crowdedOut, ...fitting.crowdedOut].map(({ owner }) => owner).toSorted()
  const planned = [...images, ...remove]
  const plan = {
    revision: Math.max(revision, ...planned.map(({ revision: number }) => number)),
    images,
    ...(remove.length > 0 && { remove }),
    ...(crowdedOut.length > 0 && { crowdedOut }),
  }
  return withoutIdleEdits({ ...plan, owners: planOwners(planned, caches, owners) }, previous)
}

function request({ image, cache: { credential, owner } }: Claim) {
  return { image, ...(credential !== undefined && { credential }), owners: [owner] }
}

/**
 * False for a request without a revision: the object was edited by hand, or written by a build without
 * revisions. The request is made again.
 */
function hasRevision(request: { readonly revision?: number }): boolean {
  return Number.isInteger(request.revision)
}
