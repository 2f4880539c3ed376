/** Longest part of an invalid text that a message quotes. */
const MAX_QUOTE = 80

/** The text is not an image reference. The message says what is wrong and, if known, at which position. */
export class InvalidReferenceError extends Error {
  override readonly name = 'InvalidReferenceError'
  readonly code = 'InvalidReference'

  /** `index` is an offset in UTF-16 units from 0. The message counts from 1. */
  constructor(text: string, problem: string, index?: number) {
    const where = index === undefined ? '' : ` (position ${index + 1})`
    super(`invalid image reference ${quote(text)}: ${problem}${where}`)
  }
}

/** Quotes at most 80 characters of the text. Control characters are escaped. */
function quote(text: string): string {
  const chars = Array.from(text.slice(0, 2 * MAX_QUOTE + 2))
  const shown = chars.slice(0, MAX_QUOTE).join('')
  const escaped = shown.replaceAll(/["\\\p{C}\p{Zl}\p{Zp}]/gu, char => {
    if (char === '"' || char === '\\') return `\\${char}`
    if (char === '\n') return '\\n'
    if (char === '\t') return '\\t'
    return `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`
  })
  return `"${escaped}"${shown.length < text.length ? '…' : ''}`
}
