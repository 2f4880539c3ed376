/** Longest message of the ledger, in bytes of the JSON that etcd stores. */
const MAX_BYTES = 256
const ELLIPSIS_BYTES = 3

/** Longest text of a kubelet or a registry that is looked at, in characters. */
const MAX_TEXT = 8_192
/** Characters that are kept of its beginning. */
const HEAD_TEXT = 2_048

/**
 * Keeps at most 8 192 characters: a registry may answer with hundreds of kilobytes, and nobody needs them.
 * A long text loses its middle.
 */
export function boundedText(text: string): string {
  if (text.length <= MAX_TEXT) return text
  return `${text.slice(0, HEAD_TEXT)}…${text.slice(text.length - (MAX_TEXT - HEAD_TEXT - 1))}`
}

/**
 * Folds white space and control characters, and keeps 256 bytes, or fewer, as JSON.
 * A long message loses its middle: runtimes wrap the words of the registry, which come last.
 */
export function shortMessage(message: string, maxBytes = MAX_BYTES): string {
  const folded = boundedText(message)
    .toWellFormed()
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim()
  const characters = Array.from(folded)
  if (sum(characters) <= maxBytes) return folded
  const headBytes = Math.floor(maxBytes / 4)
  const head = takeWithin(characters, headBytes)
  const tail = takeWithin(
    characters.toReversed(),
    Math.max(0, maxBytes - headBytes - ELLIPSIS_BYTES),
  ).toReversed()
  return `${head.join('')}…${tail.join('')}`
}

function takeWithin(characters: readonly string[], bytes: number): string[] {
  let left = bytes
  const end = characters.findIndex(character => (left -= storedBytes(character)) < 0)
  return characters.slice(0, end < 0 ? undefined : end)
}

function sum(characters: readonly string[]): number {
  return characters.reduce((bytes, character) => bytes + storedBytes(character), 0)
}

/** Bytes of a character in the JSON of the API server, which escapes what HTML gives a meaning. */
function storedBytes(character: string): number {
  if ('<>&\u2028\u2029'.includes(character)) return 6
  return character === '"' || character === '\\' ? 2 : Buffer.byteLength(character)
}
