/** Longest message of the ledger, in bytes. */
const MAX_BYTES = 256
/** Bytes that are kept of the beginning. */
const HEAD_BYTES = 64

/**
 * Folds white space and keeps 256 bytes.
 * A long message loses its middle: runtimes wrap the words of the registry, which come last.
 */
export function shortMessage(message: string): string {
  const folded = message.replace(/\s+/g, ' ').trim()
  const bytes = Buffer.from(folded)
  if (bytes.length <= MAX_BYTES) return folded
  const head = wholeCharacters(bytes.subarray(0, HEAD_BYTES))
  const tail = wholeCharacters(bytes.subarray(bytes.length - (MAX_BYTES - HEAD_BYTES - 3)))
  return `${head}…${tail}`
}

function wholeCharacters(bytes: Buffer): string {
  return new TextDecoder('utf-8').decode(bytes).replace(/^\uFFFD+|\uFFFD+$/g, '')
}
