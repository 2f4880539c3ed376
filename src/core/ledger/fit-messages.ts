import type { LedgerEntry } from '../../api/node-images.ts'
import { shortMessage } from './message.ts'

/** Room for the messages of one ledger, in bytes. `fitObjectSize` leaves it free in the object of a node. */
export const MESSAGES_BYTES = 100_000

/**
 * Shortens the longest messages of a ledger where all of them together need more than 100 000 bytes: that is
 * some 400 failures with long messages. Linear in the size of the ledger, and the same for the same ledger.
 */
export function fitMessages(ledger: readonly LedgerEntry[]): readonly LedgerEntry[] {
  const sizes = ledger.flatMap(({ attempt, removal }) => [sizeOf(attempt?.message), sizeOf(removal?.message)])
  const longest = longestThatFits(sizes.filter(size => size > 0))
  if (longest === Infinity) return ledger
  return ledger.map(({ attempt, removal, ...entry }) => ({
    ...entry,
    ...(attempt && { attempt: withShortMessage(attempt, longest) }),
    ...(removal && { removal: withShortMessage(removal, longest) }),
  }))
}

/** The length to which messages are cut, so that all of them fit. Infinity where they fit as they are. */
function longestThatFits(sizes: readonly number[]): number {
  let left = MESSAGES_BYTES
  for (const [index, size] of sizes.toSorted((a, b) => a - b).entries()) {
    const share = Math.floor(left / (sizes.length - index))
    if (size > share) return share
    left -= size
  }
  return Infinity
}

function withShortMessage<T extends { message?: string | undefined }>(outcome: T, longest: number): T {
  const { message = '' } = outcome
  if (sizeOf(message) <= longest) return outcome
  let bytes = longest - 2
  let short = shortMessage(message, bytes)
  // Quotes and control characters need more bytes in JSON.
  while (sizeOf(short) > longest && bytes > 0) {
    bytes = Math.floor(bytes / 2)
    short = shortMessage(message, bytes)
  }
  return { ...outcome, message: short }
}

/** Bytes of a text in JSON, with its quotes. */
function sizeOf(text: string | undefined): number {
  return text === undefined ? 0 : Buffer.byteLength(JSON.stringify(text))
}
