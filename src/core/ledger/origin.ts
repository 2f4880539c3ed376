import type { DesiredImage } from '../../api/node-images.ts'
import { normalizedName, tryParseReference } from '../../oci/reference.ts'
import { lookUp } from '../node/index.ts'
import type { NodeWork } from '../../engines/jobs/pull/index.ts'

/**
 * Answers, for images that a node's ledger has no entry of yet, whether what the node holds of them is ours: a purge leaves what is not. Another
 * entry may say so, by another name or for somebody else's secret. Otherwise what the node lists was there before us, and what it does not list
 * we are going to pull.
 */
export function originOf(work: NodeWork): (desired: DesiredImage) => boolean {
  let known: Map<string, boolean> | undefined
  return desired => {
    known ??= knownOrigins(work)
    const name = nameOf(desired.image)
    return known.get(name) ?? (lookUp(work.node, name) !== 'listed' || wasKeptBefore(desired, work))
  }
}

/** By normalised name; true where any entry of it is ours. */
function knownOrigins({ ledger }: NodeWork): Map<string, boolean> {
  const known = new Map<string, boolean>()
  for (const { image, pulledByUs } of ledger) {
    const name = nameOf(image)
    known.set(name, known.get(name) === true || pulledByUs !== false)
  }
  return known
}

/** What a node holds when its ledger begins, kube-fledged pulled where it kept a cache with the image on that node. */
function wasKeptBefore(desired: DesiredImage, work: NodeWork): boolean {
  if (work.ledger.length > 0) return false
  const since = Date.parse(work.node.metadata.creationTimestamp ?? '')
  return desired.owners.some(owner => Date.parse(work.caches.get(owner)?.legacyFinishedAt ?? '') >= since)
}

function nameOf(image: string): string {
  const reference = tryParseReference(image)
  return reference ? normalizedName(reference) : image
}
