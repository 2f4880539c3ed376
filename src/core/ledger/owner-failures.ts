import type { FailureReasonName } from '../../api/failure-reasons.ts'
import type { Attempt, DesiredImage, LedgerEntry } from '../../api/node-images.ts'

/**
 * A failure that is the fault of one cache: its Job was refused, its template does not fit the node, or its
 * deadline is too short. It counts for that cache alone, and the next cache that wants the image tries it
 * with a Job of its own.
 */

/** Reasons that depend on the Job of a cache, and so on its namespace, template and deadline. */
const OF_ONE_CACHE: ReadonlySet<string> = new Set<FailureReasonName>([
  'HelperImageUnavailable',
  'JobRefused',
  'NodeRefused',
  'PodNotMade',
  'PullFailed',
  'Timeout',
])

/** Failures of single caches that an entry keeps. A further one counts for all: the ledger has a size. */
export const MAX_OTHERS = 8

/** A failure that counts for one cache. */
export type OwnerFailure = NonNullable<Attempt['otherFailures']>[number]

/** The last failure of an image as one cache sees it. Undefined where it has not failed for that cache. */
export function failureFor(
  entry: LedgerEntry | undefined,
  owner: string,
): Attempt | OwnerFailure | undefined {
  const { attempt } = entry ?? {}
  if (attempt?.state === 'Failed' && (attempt.owner ?? owner) === owner) return attempt
  return attempt?.otherFailures?.find(failure => failure.owner === owner)
}

/**
 * Failures of other caches that stay on record when a new attempt is recorded: those that answer the newest
 * request.
 *
 * @param owner the cache that the new attempt was made for
 */
export function otherFailures(
  { owners, revision }: DesiredImage,
  attempt: Attempt | undefined,
  owner: string | undefined,
): OwnerFailure[] {
  if (owner === undefined || !attempt) return []
  const { otherFailures: others = [] } = attempt
  const last = attempt.state === 'Failed' ? asOwnerFailure(attempt) : []
  return [...others, ...last].filter(
    failure => failure.owner !== owner && failure.revision >= revision && owners.includes(failure.owner),
  )
}

/** True where a failure counts for the cache of its Job alone. */
export function isOfOneCache(reason: FailureReasonName, others: readonly OwnerFailure[]): boolean {
  return OF_ONE_CACHE.has(reason) && others.length < MAX_OTHERS
}

function asOwnerFailure({
  owner,
  revision,
  count = 1,
  reason,
  message,
  finishedAt,
}: Attempt): OwnerFailure[] {
  if (owner === undefined) return []
  return [
    {
      owner,
      revision,
      count,
      ...(reason !== undefined && { reason }),
      ...(message !== undefined && { message }),
      ...(finishedAt !== undefined && { finishedAt }),
    },
  ]
}
