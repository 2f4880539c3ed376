/** What is wrong with a command line. */
export type UsageErrorCode =
  | 'UnknownCommand'
  | 'UnknownFlag'
  | 'MissingValue'
  | 'InvalidValue'
  | 'UnexpectedArgument'

/** A command line is not valid. The message is one sentence for the person who typed it. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly code: UsageErrorCode

  constructor(code: UsageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Exit code of a process with an invalid command line. */
export const USAGE_EXIT_CODE = 2
