import type { ExecFileException } from 'node:child_process'

/**
 * Why a run of helm failed, as a closed set:
 *
 * - `NotFound`: the release does not exist
 * - `Failed`: helm reported an error or timed out; the message is helm's own
 * - `Aborted`: the caller's signal fired
 * - `Unusable`: helm cannot be started, or its output cannot be parsed
 */
export type HelmErrorCode = 'NotFound' | 'Failed' | 'Aborted' | 'Unusable'

/** Greatest length of a message. */
const MAX_LENGTH = 1024

/** The only error of a run of helm. */
export class HelmError extends Error {
  override readonly name = 'HelmError'
  readonly code: HelmErrorCode

  constructor(code: HelmErrorCode, message: string, options?: ErrorOptions) {
    super(message.length > MAX_LENGTH ? `${message.slice(0, MAX_LENGTH - 1)}…` : message, options)
    this.code = code
  }

  /** The error of a process that failed. */
  static of(cause: ExecFileException, stderr: string): HelmError {
    // A string code comes from a failed spawn: ENOENT, EACCES.
    if (typeof cause.code === 'string')
      return new HelmError('Unusable', `helm cannot be run: ${cause.message}`, { cause })
    const message = helmMessage(stderr)
    if (message === 'release: not found') return new HelmError('NotFound', message, { cause })
    const ending = `helm ended without a message (${cause.signal ?? cause.code})`
    return new HelmError('Failed', message || ending, { cause })
  }
}

/** Helm's error message: its standard error without the warnings of its libraries. */
export function helmMessage(stderr: string): string {
  const lines = stderr
    .split('\n')
    .filter(line => !/^(WARNING: |level=|[IWE]\d{4} |Pulled: |Digest: )/.test(line))
  return lines
    .join('\n')
    .trim()
    .replace(/^Error: /, '')
}
