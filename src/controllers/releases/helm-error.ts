import type { ExecFileException } from 'node:child_process'

/**
 * What became of a run of helm, as a closed set.
 *
 * - `NotFound` there is no such release
 * - `Failed` helm refused or did not get through; the message is helm's own words
 * - `Aborted` the caller's signal fired
 * - `Unusable` helm cannot be started, or prints what it should not
 */
export type HelmErrorCode = 'NotFound' | 'Failed' | 'Aborted' | 'Unusable'

/** Longest message that is shown. */
const MAX_LENGTH = 1024

/** The only error of a run of helm. */
export class HelmError extends Error {
  override readonly name = 'HelmError'
  readonly code: HelmErrorCode

  constructor(code: HelmErrorCode, message: string, options?: ErrorOptions) {
    super(message.length > MAX_LENGTH ? `${message.slice(0, MAX_LENGTH - 1)}…` : message, options)
    this.code = code
  }

  /** The error for a process that did not end well. */
  static of(cause: ExecFileException, stderr: string): HelmError {
    // a string is what spawn failed with: ENOENT, EACCES
    if (typeof cause.code === 'string')
      return new HelmError('Unusable', `helm cannot be run: ${cause.message}`, { cause })
    const words = helmWords(stderr)
    if (words === 'release: not found') return new HelmError('NotFound', words, { cause })
    return new HelmError('Failed', words || `helm ended without a word (${cause.signal ?? cause.code})`, {
      cause,
    })
  }
}

/** What helm said of an error: its standard error without the lines that are warnings of its libraries. */
export function helmWords(stderr: string): string {
  const lines = stderr
    .split('\n')
    .filter(line => !/^(WARNING: |level=|[IWE]\d{4} |Pulled: |Digest: )/.test(line))
  return lines
    .join('\n')
    .trim()
    .replace(/^Error: /, '')
}
