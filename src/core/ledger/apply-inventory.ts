import type { Attempt, DesiredImage, LedgerEntry } from '../../api/node-images.ts'
import { pinnedDigest } from '../../oci/reference.ts'
import type { Inventory, NodeFacts } from '../node/index.ts'
import { emptyEntry, isPresent } from './entry.ts'

/**
 * Corrects an entry by the image list of the node.
 * A listed image is present without a Job. A present image that a whole list lacks has disappeared.
 *
 * The list proves nothing for an image that somebody pulls with a secret: what one tenant may pull is no
 * proof for another.
 *
 * @param hasSecret true where the ledger has the same image with a credential
 */
export function applyInventory(
  inventory: Inventory,
  desired: DesiredImage,
  entry: LedgerEntry | undefined,
  now: string,
  hasSecret: boolean,
): LedgerEntry | undefined {
  const sighting = inventory.find(desired.image)
  if (entry?.presence?.state === 'Present') {
    if (isGone(inventory, entry)) return disappeared(entry, now)
    const isListed = sighting.state === 'present'
    const digest =
      pinnedDigest(desired.image) ??
      (isListed ? digestAfterListing(inventory, desired, entry, sighting.digest) : entry.presence.digest)
    return {
      ...entry,
      presence: {
        ...entry.presence,
        ...(digest !== undefined && { digest }),
        ...(isListed && { listed: true }),
      },
    }
  }
  const canProve = desired.pullPolicy === 'IfNotPresent' && desired.credential === undefined && !hasSecret
  if (sighting.state !== 'present' || !canProve) return entry
  // A removal is newer than the list.
  const isOld = entry?.presence?.by === 'Job' && !inventory.isNewerThan(entry.presence.since)
  if (isOld) return entry
  const { attempt, ...rest } = entry ?? emptyEntry(desired, true)
  return {
    ...rest,
    presence: {
      state: 'Present',
      since: now,
      by: 'NodeList',
      revision: desired.revision,
      ...(sighting.digest !== undefined && { digest: sighting.digest }),
      listed: true,
    },
    // The Job that pulls it is still read to its end.
    ...(attempt?.state === 'Pulling' && { attempt }),
  }
}

/** A list that is older than the last pull may still show what a moving tag meant before. */
function digestAfterListing(
  inventory: Inventory,
  desired: DesiredImage,
  { presence }: LedgerEntry,
  listed: string | undefined,
): string | undefined {
  if (inventory.isNewerThan(presence?.since)) return listed ?? presence?.digest
  const isSame = desired.pullPolicy === 'IfNotPresent' || listed === presence?.registryDigest
  return presence?.digest ?? (isSame ? listed : undefined)
}

function disappeared({ attempt, ...entry }: LedgerEntry, now: string): LedgerEntry {
  return {
    ...entry,
    presence: { state: 'Absent', since: now, by: 'NodeList' },
    ...(attempt && { attempt: attempt.state === 'Failed' ? withoutFailure(attempt) : attempt }),
  }
}

/**
 * A refresh that failed left an older image on the node. That image is gone, so that it is pulled at once.
 * The name of the attempt stays: a retained Job must not prove its image once more.
 */
function withoutFailure({ revision, id, startedAt }: Attempt): Attempt {
  return {
    state: 'Unknown',
    revision,
    ...(id !== undefined && { id }),
    ...(startedAt !== undefined && { startedAt }),
  }
}

/** True for a ledger of the same Node object on the same machine. The ledger of another one is void. */
export function isSameMachine(
  node: NodeFacts,
  status: { nodeUid?: string | undefined; machineId?: string | undefined },
): boolean {
  const isKnown = status.nodeUid !== undefined
  return !isKnown || (status.nodeUid === node.metadata.uid && (status.machineId ?? '') === node.machineId)
}

/**
 * True where the list of the node shows that a present image is no longer there: the list has shown it, and
 * shows it no more. A list that has never shown an image proves nothing about it: the kubelet may be told to
 * list fewer images, and some runtimes list an image under another name.
 */
export function isGone(inventory: Inventory, entry: LedgerEntry): boolean {
  return entry.presence?.listed === true && inventory.find(entry.image).state === 'absent'
}

/**
 * True where a whole list that is newer than its proof lacks an image that no list has shown: it has gone, or
 * the list leaves images out. A Job finds out, once.
 */
export function isMissed(inventory: Inventory, entry: LedgerEntry): boolean {
  return isAmbiguous(inventory, entry) && inventory.isNewerThan(entry.presence?.since)
}

/** True where the list says something new of a present image, and may be too old to be believed. */
export function isDoubtful(inventory: Inventory, entry: LedgerEntry): boolean {
  if (!isPresent(entry) || inventory.isNewerThan(entry.presence?.since)) return false
  const isNewDigest = entry.presence?.digest === undefined && inventory.find(entry.image).state === 'present'
  return isNewDigest || isAmbiguous(inventory, entry)
}

function isAmbiguous(inventory: Inventory, { image, presence }: LedgerEntry): boolean {
  if (presence?.listed === true || presence?.unlisted === true) return false
  return inventory.find(image).state === 'absent'
}
