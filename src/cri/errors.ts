import { status as grpc } from '@grpc/grpc-js'

/**
 * What went wrong with a call to the runtime, as a closed set.
 *
 * - `Unavailable` nothing answers on the socket, or the runtime went away in the middle of a call
 * - `PermissionDenied` this process may not open the socket, or the runtime refuses the call
 * - `NotFound` the runtime does not know the image or container
 * - `InUse` the runtime does not remove an image that a container uses
 * - `DeadlineExceeded` no answer within the time allowed
 * - `Unimplemented` the runtime does not have the call: it is no CRI v1 runtime
 * - `Aborted` the caller's signal fired
 * - `Internal` everything else, in the runtime's own words
 */
export type CriErrorCode =
  | 'Unavailable'
  | 'PermissionDenied'
  | 'NotFound'
  | 'InUse'
  | 'DeadlineExceeded'
  | 'Unimplemented'
  | 'Aborted'
  | 'Internal'

/** The only error that the client of this folder throws. Its message is the runtime's words, then the call. */
export class CriError extends Error {
  override readonly name = 'CriError'
  readonly code: CriErrorCode

  constructor(code: CriErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** True for a CriError with one of these codes. */
export function isCriError(error: unknown, ...codes: readonly CriErrorCode[]): error is CriError {
  return error instanceof CriError && (codes.length === 0 || codes.includes(error.code))
}

const CODE_BY_STATUS: ReadonlyMap<number, CriErrorCode> = new Map([
  [grpc.UNAVAILABLE, 'Unavailable'],
  [grpc.PERMISSION_DENIED, 'PermissionDenied'],
  [grpc.UNAUTHENTICATED, 'PermissionDenied'],
  [grpc.NOT_FOUND, 'NotFound'],
  [grpc.DEADLINE_EXCEEDED, 'DeadlineExceeded'],
  [grpc.UNIMPLEMENTED, 'Unimplemented'],
  [grpc.CANCELLED, 'Aborted'],
])

/** The status of an error without a code. */
const UNKNOWN: number = grpc.UNKNOWN

/** What CRI-O and Docker, whose words cri-dockerd passes on, say without a code of its own. */
const CODE_BY_WORDS: readonly (readonly [RegExp, CriErrorCode])[] = [
  [/\bNo such container: /, 'NotFound'],
  [/\bimage is in use by |\bimage is being used by |\bis using its referenced image /, 'InUse'],
]

/**
 * The error for a gRPC status.
 *
 * @param call name of the call and the socket, for the message
 */
export function errorFromStatus(
  call: string,
  error: { readonly code: number; readonly details: string },
): CriError {
  const code = CODE_BY_STATUS.get(error.code) ?? codeOfWords(error)
  // The status of a connection that could not be made is UNAVAILABLE, whatever the reason.
  const denied = code === 'Unavailable' && /\b(EACCES|EPERM)\b/.test(error.details)
  const words = error.details.replace(/\s*Resolution note:\s*$/, '')
  return new CriError(denied ? 'PermissionDenied' : code, `${words} (${call})`, { cause: error })
}

function codeOfWords({ code, details }: { readonly code: number; readonly details: string }): CriErrorCode {
  if (code !== UNKNOWN) return 'Internal'
  return CODE_BY_WORDS.find(([words]) => words.test(details))?.[1] ?? 'Internal'
}
