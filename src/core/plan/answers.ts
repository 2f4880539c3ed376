import type { DesiredImage, LedgerEntry } from '../../api/node-images.ts'
import { hasPullFailed, isPresent } from '../ledger/index.ts'

/** What a registry said of an image: the digest behind its tag. Without a digest, only the nodes can ask. */
export interface TagAnswer {
  /** When it was given, RFC 3339, on the clock of this process. Names the round of a refresh. */
  readonly at: string
  readonly digest?: string
}

/** What registries said lately, by entry key. */
export interface TagAnswers {
  /** Answers to the last periodic refresh. An image that differs is asked for again. */
  readonly refreshes?: ReadonlyMap<string, TagAnswer>
  /** Answers from before a pull: what the pull brings. */
  readonly beforePulls?: ReadonlyMap<string, TagAnswer>
}

/**
 * Pulls of a node for one digest of the registry. A mirror that lags brings an older one. After so many pulls
 * the node has what its mirror gives, until the tag moves again.
 */
const MAX_PULLS = 4

/**
 * True where a node pulls again: the registry gives another digest than it gave for the node's last pull,
 * or than the node lists. Where the registry could not be asked, the node asks.
 */
export function needsPull(refresh: TagAnswer, entry: LedgerEntry | undefined): boolean {
  if (refresh.digest === undefined || !isPresent(entry)) return true
  const { registryDigest, digest, pulls = 1 } = entry?.presence ?? {}
  if (registryDigest !== undefined && registryDigest !== refresh.digest) return true
  const isOther = digest !== undefined && digest !== refresh.digest
  if (registryDigest === undefined) return isOther || digest === undefined
  return isOther && pulls < MAX_PULLS
}

/**
 * A moving tag with what registries say of it: `registryDigest` and `refreshRound` as they are to be now.
 * `isNew` where that asks for the image again. Where nothing is to be pulled, nothing changes.
 *
 * @param old the image as it was asked for before
 * @param entry what the node has of it
 * @param isAskedAgain true where it is asked for again for another reason
 */
export function applyAnswers(
  old: DesiredImage | undefined,
  entry: LedgerEntry | undefined,
  { refresh, beforePull }: { refresh?: TagAnswer | undefined; beforePull?: TagAnswer | undefined },
  isAskedAgain: boolean,
): { readonly registryDigest?: string; readonly refreshRound?: string; readonly isNew: boolean } {
  const isNewRound = refresh !== undefined && refresh.at !== old?.refreshRound && needsPull(refresh, entry)
  const isHeld = !isAskedAgain && !isNewRound && isPullDone(old, entry)
  // The round that was acted on last is newer than answers from before it.
  const isOld = Date.parse(beforePull?.at ?? '') <= Date.parse(old?.refreshRound ?? '')
  const [latest] = [isNewRound ? refresh : undefined, isHeld || isOld ? undefined : beforePull]
    .filter(answer => answer?.digest !== undefined)
    .toSorted((a, b) => Date.parse(b?.at ?? '') - Date.parse(a?.at ?? ''))
  const registryDigest = latest?.digest ?? old?.registryDigest
  const refreshRound = isNewRound ? refresh.at : old?.refreshRound
  return {
    ...(registryDigest !== undefined && { registryDigest }),
    ...(refreshRound !== undefined && { refreshRound }),
    isNew: isNewRound || registryDigest !== old?.registryDigest,
  }
}

/** The node has what was asked for. Nothing is to be pulled. */
function isPullDone(old: DesiredImage | undefined, entry: LedgerEntry | undefined): boolean {
  return (
    old !== undefined &&
    isPresent(entry) &&
    !hasPullFailed(entry) &&
    (entry?.presence?.revision ?? 0) >= old.revision
  )
}
