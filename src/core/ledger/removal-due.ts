import { type LedgerEntry, type Removal, entryKey } from '../../api/node-images.ts'
import { backoffMs, fraction } from '../../base/backoff.ts'
import type { Due, DueInput } from './due.ts'
import { isRemovalAnswered } from './record-removal.ts'

/** First and longest pause before an image in use is looked at again. Each pause doubles. */
const HELD_FIRST_MS = 30_000
const HELD_MAX_MS = 3_600_000
/** Greatest number of looks at an image in use: about a week. */
const HELD_LOOKS = 175
/** Shortest time between two attempts to remove an image, however often that is asked for. */
const ATTEMPT_INTERVAL_MS = 15_000

const SETTLED: Due = { kind: 'settled' }

/**
 * When a removal needs an attempt.
 * An image that a container uses is looked at again: nobody tells when the container is gone.
 */
export function removalDue(
  removal: Removal,
  entry: LedgerEntry | undefined,
  input: Pick<DueInput, 'node' | 'now'>,
): Due {
  if (removal.stays !== undefined) return SETTLED
  const { state, finishedAt = '', count = 1 } = entry?.removal ?? {}
  const pauseFrom = Date.parse(finishedAt)
  if (!isRemovalAnswered(removal, entry)) {
    return laterOr(pauseFrom + ATTEMPT_INTERVAL_MS, input.now, { kind: 'now', how: 'ask', urgent: true })
  }
  const again: Due = { kind: 'now', how: 'ask', urgent: false }
  if (isHeld(entry)) return laterOr(pauseFrom + heldPauseMs(count, input), input.now, again)
  if (state !== 'Failed') return SETTLED
  const jitterKey = `${input.node.metadata.uid ?? ''} ${entryKey(removal)}`
  return laterOr(pauseFrom + backoffMs(count, jitterKey), input.now, again)
}

/** True for an image that a container used at the last look, and that is looked at again. */
export function isHeld(entry: LedgerEntry | undefined): boolean {
  const { state, reason, count = 1 } = entry?.removal ?? {}
  return state === 'Kept' && reason === 'InUse' && count < HELD_LOOKS
}

/**
 * True where an image in use may be looked at together with other images of the node: half of its pause is
 * over. So one Job looks at all of them.
 */
export function mayLookEarly(
  removal: Removal,
  entry: LedgerEntry | undefined,
  input: Pick<DueInput, 'node' | 'now'>,
): boolean {
  if (removal.stays !== undefined || !isHeld(entry)) return false
  const { finishedAt = '', count = 1 } = entry?.removal ?? {}
  return input.now >= Date.parse(finishedAt) + heldPauseMs(count, input) / 2
}

/** The same for all images of a node with as many looks. */
function heldPauseMs(looks: number, { node }: Pick<DueInput, 'node'>): number {
  const pause = Math.min(HELD_MAX_MS, HELD_FIRST_MS * 2 ** Math.min(looks - 1, 20))
  return Math.round(pause * (1 + 0.2 * fraction(node.metadata.uid ?? '')))
}

function laterOr(at: number, now: number, due: Due): Due {
  return at > now ? { kind: 'later', inMs: at - now } : due
}
