import { InvalidDurationError, formatDuration, parseDuration } from '../../base/duration.ts'

/**
 * Bounds of `spec.pullDeadline`. A shorter one would fail every pull, a longer one would hold a node and a
 * Job slot that others need.
 */
const SHORTEST_MS = 10_000
const LONGEST_MS = 3_600_000

/**
 * The deadline that counts for a cache, in milliseconds.
 *
 * @param own `spec.pullDeadline`. Empty, zero or invalid: the flag's value counts.
 * @param flagMs `--image-pull-deadline-duration`. A cache may always have as much.
 */
export function effectiveDeadlineMs(own: string | undefined, flagMs: number): number {
  const ms = parsed(own)
  if (ms === undefined) return flagMs
  return Math.min(Math.max(ms, SHORTEST_MS), longestJobMs(flagMs))
}

/** Greatest time that one Job may hold its node and its slot, in milliseconds. */
export function longestJobMs(flagMs: number): number {
  return Math.max(LONGEST_MS, flagMs)
}

/** What differs from the text of the author, in words. Undefined where nothing does. */
export function deadlineWarning(own: string | undefined): string | undefined {
  const ms = parsed(own)
  if (ms === undefined) return undefined
  if (ms < SHORTEST_MS)
    return `pullDeadline: ${own} is raised to ${formatDuration(SHORTEST_MS)}, the shortest one`
  if (ms <= LONGEST_MS) return undefined
  return `pullDeadline: ${own} is cut to ${formatDuration(LONGEST_MS)}, or to the controller's --image-pull-deadline-duration where that is longer`
}

function parsed(own: string | undefined): number | undefined {
  if (!own) return undefined
  try {
    const ms = parseDuration(own)
    return ms > 0 ? ms : undefined
  } catch (error) {
    // The CRD validates the field. Only an object from before that validation can have an invalid value.
    if (!(error instanceof InvalidDurationError)) throw error
    return undefined
  }
}
