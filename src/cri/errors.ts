import { status as grpc } from '@grpc/grpc-js'

/**
 * The kinds of failed calls to the runtime, as a closed set.
 *
 * - `Unavailable`: no process answers on the socket, or the runtime stopped during a call
 * - `PermissionDenied`: this process may not open the socket, or the runtime refuses the call
 * - `NotFound`: the runtime does not know the image or container
 * - `InUse`: the runtime does not remove the image because a container uses it
 * - `UnknownShortName`: CRI-O finds no registry, or several, for a name without registry
 * - `DeadlineExceeded`: no answer in time
 * - `Unimplemented`: the runtime does not have the call, so it is no CRI v1 runtime
 * - `Aborted`: the caller's signal fired
 * - `Internal`: any other error, with the runtime's own text
 */
export type CriErrorCode =
  | 'Unavailable'
  | 'PermissionDenied'
  | 'NotFound'
  | 'InUse'
  | 'UnknownShortName'
  | 'DeadlineExceeded'
  | 'Unimplemented'
  | 'Aborted'
  | 'Internal'

/**
 * The only error that the client of this folder throws. The message has the runtime's text, then the call.
 */
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

/** Texts of CRI-O and Docker for errors without a code of their own. cri-dockerd forwards Docker's texts. */
const CODE_BY_WORDS: readonly (readonly [RegExp, CriErrorCode])[] = [
  [/\bNo such container: /, 'NotFound'],
  [/\bimage is in use by |\bimage is being used by |\bis using its referenced image /, 'InUse'],
  [/\bshort-name \S+ did not resolve to an alias\b/, 'UnknownShortName'],
  [/\bshort name mode is enforcing, but image name \S+ returns ambiguous list$/, 'UnknownShortName'],
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
  // A failed connection has the status UNAVAILABLE for every cause.
  const denied = code === 'Unavailable' && /\b(EACCES|EPERM)\b/.test(error.details)
  const words = error.details.replace(/\s*Resolution note:\s*$/, '')
  return new CriError(denied ? 'PermissionDenied' : code, `${words} (${call})`, { cause: error })
}

function codeOfWords({ code, details }: { readonly code: number; readonly details: string }): CriErrorCode {
  if (code !== UNKNOWN) return 'Internal'
  return CODE_BY_WORDS.find(([words]) => words.test(details))?.[1] ?? 'Internal'
}
