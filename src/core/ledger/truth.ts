import { REMOVED } from '../../api/kept-reasons.ts'
import type { DesiredImage, LedgerEntry } from '../../api/node-images.ts'
import { normalizedName, repositoryOf, tryParseReference } from '../../oci/reference.ts'
import { type NodeFacts, isNewerThan, listedDigest, lookUp } from '../node/index.ts'
import { DISAPPEARED, identity } from './ledger.ts'

/**
 * Holds an entry against the node's own image list. A listed image is present without a Job; one that was present and
 * is no longer in a whole list is gone. Whoever pulls with a secret has to prove it by pulling, and so has everybody where
 * somebody's secret may have brought the image: what one tenant may pull is no proof for another.
 *
 * @param secret true where the ledger has the same image with a credential
 */
export function correct(
  node: NodeFacts,
  desired: DesiredImage,
  entry: LedgerEntry | undefined,
  now: string,
  secret: boolean,
): LedgerEntry | undefined {
  const reference = tryParseReference(desired.image)
  if (!reference) return entry
  const name = normalizedName(reference)
  const listing = lookUp(node, name)
  if (entry?.state === 'Present') {
    if (isGone(node, entry)) return disappeared(desired, entry)
    const listed = listedDigest(node, name, repositoryOf(reference))
    // A list from before the last pull may still show what a moving tag meant then.
    const fits = desired.pullPolicy === 'IfNotPresent' || listed === entry.registryDigest
    const recent = isNewerThan(node, entry.verifiedAt)
      ? (listed ?? entry.digest)
      : (entry.digest ?? (fits ? listed : undefined))
    const digest = reference.digest ?? recent
    return {
      ...entry,
      ...(digest !== undefined && { digest }),
      ...(listing === 'listed' && { listed: true }),
    }
  }
  const provable = desired.pullPolicy === 'IfNotPresent' && desired.credential === undefined && !secret
  // The list may be from before it was removed.
  const isOld = entry?.reason === REMOVED && !isNewerThan(node, entry.finishedAt)
  if (listing !== 'listed' || !provable || isOld) return entry
  const digest = reference.digest ?? listedDigest(node, name, repositoryOf(reference))
  const seenPulling = entry?.state === 'Pulling'
  return {
    ...identity(desired, entry),
    state: 'Present',
    ...(digest !== undefined && { digest }),
    requestedAt: desired.requestedAt,
    verifiedAt: now,
    listed: true,
    ...(seenPulling && entry.startedAt !== undefined && { startedAt: entry.startedAt }),
    finishedAt: now,
  }
}

/** Forgets what no longer holds: another machine or another Node object under the same name starts cold. */
export function sameMachine(
  node: NodeFacts,
  status: { nodeUid?: string | undefined; machineId?: string | undefined },
): boolean {
  const known = status.nodeUid !== undefined
  return !known || (status.nodeUid === node.metadata.uid && (status.machineId ?? '') === node.machineId)
}

function disappeared(desired: DesiredImage, entry: LedgerEntry): LedgerEntry {
  return {
    ...identity(desired, entry),
    state: 'Pending',
    // What comes now is not what was there before us.
    pulledByUs: true,
    ...(entry.requestedAt !== undefined && { requestedAt: entry.requestedAt }),
    ...(entry.verifiedAt !== undefined && { verifiedAt: entry.verifiedAt }),
    // A Job that is retained proved it once, and must not prove it again.
    ...(entry.job !== undefined && { job: entry.job }),
    ...(entry.startedAt !== undefined && { startedAt: entry.startedAt }),
    reason: DISAPPEARED,
  }
}

/** The node's list shows that the image of an entry is no longer there. */
export function isGone(node: NodeFacts, entry: LedgerEntry): boolean {
  return isMissing(node, entry) && (entry.listed === true || isNewerThan(node, entry.verifiedAt))
}

/**
 * The list lacks a present image, or shows a digest of it, and may only be too old to be right: worth another look when it
 * is newer.
 */
export function isDoubtful(node: NodeFacts, entry: LedgerEntry): boolean {
  if (entry.state !== 'Present') return false
  if (isMissing(node, entry)) return !isGone(node, entry)
  return entry.digest === undefined && isListed(node, entry) && !isNewerThan(node, entry.verifiedAt)
}

function isListed(node: NodeFacts, entry: LedgerEntry): boolean {
  const reference = tryParseReference(entry.image)
  return reference !== undefined && lookUp(node, normalizedName(reference)) === 'listed'
}

function isMissing(node: NodeFacts, entry: LedgerEntry): boolean {
  const reference = tryParseReference(entry.image)
  return reference === undefined || lookUp(node, normalizedName(reference)) === 'unlisted'
}
