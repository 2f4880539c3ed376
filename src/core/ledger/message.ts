/** Longest message of the ledger, in bytes. */
const MAX_BYTES = 256

/**
 * Folds white space and keeps 256 bytes, or fewer.
 * A long message loses its middle: runtimes wrap the words of the registry, which come last.
 */
export function shortMessage(message: string, maxBytes = MAX_BYTES): string {
  const folded = message.replace(/\s+/g, ' ').trim()
  const bytes = Buffer.from(folded)
  if (bytes.length <= maxBytes) return folded
  const headBytes = Math.floor(maxBytes / 4)
  const head = wholeCharacters(bytes.subarray(0, headBytes))
  const tail = wholeCharacters(bytes.subarray(bytes.length - Math.max(0, maxBytes - headBytes - 3)))
  return `${head}…${tail}`
}

function wholeCharacters(bytes: Buffer): string {
  return new TextDecoder('utf-8').decode(bytes).replace(/^\uFFFD+|\uFFFD+$/g, '')
}
