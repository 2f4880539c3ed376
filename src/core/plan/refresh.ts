import type { DesiredImage, LedgerEntry } from '../../api/node-images.ts'
import { hasFailed } from '../../api/failure-reasons.ts'

/** What a registry said of an image: the digest behind its tag, or none where only the nodes can ask. */
export interface TagAnswer {
  /** When it was known, RFC 3339. */
  readonly at: string
  readonly digest?: string
}

/**
 * Whether a node has to pull again. A node whose last pull was asked for with the digest that the registry still gives
 * has nothing to do, and so has one that lists that digest itself. Where the registry could not be asked, the node is.
 */
export function needsPull(refresh: TagAnswer, entry: LedgerEntry | undefined): boolean {
  if (refresh.digest === undefined) return true
  if (entry?.state !== 'Present') return true
  return (entry.registryDigest ?? entry.digest) !== refresh.digest
}

/** What the registries said lately, by entry key. */
export interface TagAnswers {
  /** To the last periodic refresh: what differs from it is asked for again. */
  readonly refreshes?: ReadonlyMap<string, TagAnswer>
  /** Before images were pulled: what the pull will bring. */
  readonly beforePulls?: ReadonlyMap<string, TagAnswer>
}

/**
 * Asks for a moving tag again where a refresh found something newer, or where only the node can find out; and notes what the
 * registry says before it is pulled. Where nothing is to be pulled, nothing changes.
 *
 * @param old the image as it was asked for before
 * @param entry what the node has of it
 */
export function withAnswers(
  image: DesiredImage,
  { refresh, beforePull }: { refresh?: TagAnswer | undefined; beforePull?: TagAnswer | undefined },
  old: DesiredImage | undefined,
  entry: LedgerEntry | undefined,
): DesiredImage {
  if (image.pullPolicy !== 'Always') return image
  const isNews = !(Date.parse(entry?.requestedAt ?? '') >= Date.parse(refresh?.at ?? ''))
  const isAsked = refresh !== undefined && isNews && needsPull(refresh, entry)
  const requestedAt =
    isAsked && Date.parse(refresh.at) > Date.parse(image.requestedAt) ? refresh.at : image.requestedAt
  const answers = [isAsked ? refresh : undefined, isHeld(entry, requestedAt) ? undefined : beforePull]
  const latest = answers
    .filter(answer => answer?.digest !== undefined)
    .toSorted((a, b) => Date.parse(b?.at ?? '') - Date.parse(a?.at ?? ''))[0]
  const known =
    latest && latest.digest !== old?.digest
      ? { digest: latest.digest, digestAt: latest.at }
      : { digest: old?.digest, digestAt: old?.digestAt }
  return {
    ...image,
    ...(known.digest !== undefined && { digest: known.digest }),
    ...(known.digestAt !== undefined && { digestAt: known.digestAt }),
    requestedAt,
  }
}

/** The node has what was asked for, and nothing is to be pulled. */
function isHeld(entry: LedgerEntry | undefined, requestedAt: string): boolean {
  if (entry?.state !== 'Present' || hasFailed(entry)) return false
  return Date.parse(entry.requestedAt ?? '') >= Date.parse(requestedAt)
}
