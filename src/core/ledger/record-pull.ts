import type { FailureReasonName } from '../../api/failure-reasons.ts'
import type { Attempt, DesiredImage, LedgerEntry, Presence } from '../../api/node-images.ts'
import { emptyEntry, hasPullFailed, isPresent, isPullAnswered } from './entry.ts'
import type { AttemptFacts, PullVerdict } from './evidence.ts'
import { shortMessage } from './message.ts'
import { type OwnerFailure, isOfOneCache, otherFailures } from './owner-failures.ts'

/**
 * Attempts that teach nothing, until the image counts as failed. Without a limit its cache would wait for
 * ever.
 */
const MAX_UNKNOWN = 5

/** Reasons that say nothing about the image: what was known of its presence stays known. */
const NOT_ABOUT_THE_IMAGE: ReadonlySet<FailureReasonName> = new Set([
  'HelperImageUnavailable',
  'NodeRefused',
  'JobRefused',
  'PodNotMade',
  'NodeUnavailable',
])

/**
 * The entry after a verdict about a pull. The same verdict again changes times only.
 * An attempt that could not prove that an image is still there leaves it as it was.
 *
 * ```
 *              pulling            present
 *   (none) ──────────▶ Pulling ──────────▶ Succeeded, presence Present
 *                        │ failed ───────▶ Failed ───▶ tried again after a pause
 *                        │ unproven ─────▶ Unproven ─▶ tried again in a container of its own
 *                        └ unknown ──────▶ Unknown ──▶ tried again, five times at most
 * ```
 *
 * @param now RFC 3339
 */
export function recordPull(
  desired: DesiredImage,
  old: LedgerEntry | undefined,
  verdict: PullVerdict,
  facts: AttemptFacts & { readonly owner?: string },
  now: string,
): LedgerEntry {
  const entry = old ?? emptyEntry(desired, true)
  const revision = Math.min(facts.revision, desired.revision)
  const owner = desired.owners.length > 1 ? (facts.owner ?? old?.attempt?.owner) : undefined
  const others = otherFailures(desired, old?.attempt, owner)
  const count = attemptsBefore(desired, old, owner) + 1
  const { id, startedAt } = facts
  const shared = {
    ...(owner !== undefined && { owner }),
    ...(others.length > 0 && { otherFailures: others }),
  }
  const ended = { revision, count, id, startedAt, finishedAt: now, ...shared }
  const keepsPresence = isRefreshOfPresent(desired, old) || isProof(desired, old)
  switch (verdict.kind) {
    case 'present':
      return {
        ...entry,
        presence: provedByJob(desired, old, revision, verdict.digest, now),
        attempt: { state: 'Succeeded', revision, id, startedAt },
      }
    case 'failed': {
      const { reason, askedRegistry } = verdict
      const isSilentOnPresence = NOT_ABOUT_THE_IMAGE.has(reason) || askedRegistry === true
      if (isSilentOnPresence && isProof(desired, old)) {
        const message = shortMessage(`could not be proved: ${verdict.message}`)
        return { ...entry, attempt: { state: 'Unknown', ...ended, reason, message } }
      }
      const isKept = isSilentOnPresence || isRefreshOfPresent(desired, old)
      const message = shortMessage(verdict.message)
      const { owner: _, ...forAll } = ended
      return {
        ...withPresence(entry, isKept),
        attempt: { state: 'Failed', ...(isOfOneCache(reason, others) ? ended : forAll), reason, message },
      }
    }
    case 'unproven':
      return { ...withPresence(entry, keepsPresence), attempt: { state: 'Unproven', ...ended } }
    case 'unknown': {
      if (count >= MAX_UNKNOWN && !isProof(desired, old)) {
        const message = `${count} attempts came to nothing: ${verdict.message}`
        return recordPull(desired, old, { kind: 'failed', reason: 'PullFailed', message }, facts, now)
      }
      const message = shortMessage(verdict.message)
      return { ...withPresence(entry, keepsPresence), attempt: { state: 'Unknown', ...ended, message } }
    }
    case 'pulling': {
      // A failure, and an image that is there, stay on record until this attempt ends.
      const isShown = old?.attempt?.state === 'Pulling' && old.attempt.id === id
      if (isShown || isPresent(old) || hasPullFailed(old)) return entry
      const before = old?.attempt?.owner === owner ? old?.attempt?.count : undefined
      return {
        ...entry,
        attempt: {
          state: 'Pulling',
          revision,
          id,
          startedAt,
          ...(before !== undefined && { count: before }),
          ...shared,
        },
      }
    }
  }
}

/** Attempts without success that the cache has had since the last success or the last request. */
function attemptsBefore(
  desired: DesiredImage,
  old: LedgerEntry | undefined,
  owner: string | undefined,
): number {
  const last: Attempt | OwnerFailure | undefined =
    old?.attempt?.owner === undefined || old.attempt.owner === owner
      ? old?.attempt
      : old.attempt.otherFailures?.find(failure => failure.owner === owner)
  const isRequestNew = hasPullFailed(old) && (last?.revision ?? 0) < desired.revision
  return isRequestNew ? 0 : (last?.count ?? 0)
}

/** True where the attempt was only to prove that an image, which was there, is still there. */
function isProof(desired: DesiredImage, old: LedgerEntry | undefined): boolean {
  return isPresent(old) && isPullAnswered(old, desired) && !hasPullFailed(old)
}

/**
 * A refresh that fails leaves the older image on the node. An attempt with `IfNotPresent` only fails where
 * it is absent.
 */
function isRefreshOfPresent(desired: DesiredImage, old: LedgerEntry | undefined): boolean {
  return (
    isPresent(old) && desired.pullPolicy === 'Always' && (!isPullAnswered(old, desired) || hasPullFailed(old))
  )
}

/** The entry, without its presence where that is no longer known. That an image is absent stays known. */
function withPresence(entry: LedgerEntry, isKept: boolean): LedgerEntry {
  if (isKept || !isPresent(entry)) return entry
  const { presence: _, ...rest } = entry
  return rest
}

function provedByJob(
  desired: DesiredImage,
  old: LedgerEntry | undefined,
  revision: number,
  digest: string | undefined,
  now: string,
): Presence {
  const before = isPresent(old) ? old?.presence : undefined
  const isAnswer = revision >= desired.revision
  const answered = isAnswer ? revision : before?.revision
  const known = digest ?? (answered === before?.revision ? before?.digest : undefined)
  // A proof that the image is still there asks no registry: what the registry said before stays said.
  const isPull = isAnswer && !isProof(desired, old)
  const isUnlisted = isProof(desired, old) && before?.listed !== true
  const registryDigest = (isPull ? desired.registryDigest : undefined) ?? old?.presence?.registryDigest
  const isSameDigest = registryDigest !== undefined && registryDigest === before?.registryDigest
  const pulls = isSameDigest ? (before.pulls ?? 1) + (isPull ? 1 : 0) : 1
  return {
    state: 'Present',
    since: now,
    by: 'Job',
    ...(answered !== undefined && { revision: answered }),
    ...(known !== undefined && { digest: known }),
    ...(registryDigest !== undefined && { registryDigest }),
    ...(pulls > 1 && { pulls }),
    ...(isUnlisted && { unlisted: true }),
  }
}
