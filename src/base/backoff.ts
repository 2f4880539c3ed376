import { createHash } from 'node:crypto'

const FIRST_MS = 15_000
const MAX_MS = 600_000

/**
 * Pause in milliseconds before an image is tried again after failed attempts: 30 s, 60 s, … up to 10 min. A
 * hash of the key lengthens it by up to 20 %: nodes do not retry at the same moment, and a restart does not
 * change the pause.
 */
export function backoffMs(attempts: number, key: string): number {
  const base = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(attempts, 10))
  return Math.round(base * (1 + 0.2 * fraction(key)))
}

/** A number in [0, 1) derived from the text. The same text gives the same number. */
export function fraction(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32
}
