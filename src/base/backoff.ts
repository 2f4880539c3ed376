import { createHash } from 'node:crypto'

const FIRST_MS = 15_000
const MAX_MS = 600_000

/**
 * Pause before an image is tried again after failed attempts: 30 s, 60 s, … 10 min, each up to 20 % longer by a hash of
 * the key, so that the nodes of a cluster do not come back all at once and a restart does not change the time.
 */
export function backoffMs(attempts: number, key: string): number {
  const base = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(attempts, 10))
  return Math.round(base * (1 + 0.2 * fraction(key)))
}

/** A number in [0, 1) that is the same for the same text. */
export function fraction(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32
}
