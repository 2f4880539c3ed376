/**
 * The request of a removal Job: JSON in `/etc/kubefledged/request.json`. The kubelet writes this file from
 * the Pod's annotation `kubefledged.io/purge-request` (downward API). So no user-written reference is part of
 * a command line.
 */

/** References to remove from one node. */
export interface RemovalRequest {
  /** References that no known cache wants any more. The answers have the same order. */
  readonly remove: readonly string[]
  /** References that other caches want on this node. They stay, whichever image ID they share. */
  readonly keep: readonly string[]
  /**
   * Repositories of which every digest stays, such as `r.io/app`. Caches want more names of them than
   * `keep` has room for.
   */
  readonly keepRepositories?: readonly string[]
}

/** Directory of the Pod's downward API volume, and the file in it. */
const REQUEST_DIRECTORY = '/etc/kubefledged'
export const REQUEST_FILE = `${REQUEST_DIRECTORY}/request.json`

/**
 * Limits of a request. A larger removal needs further Jobs. All annotations of an object have 256 KiB
 * together.
 */
export const REQUEST_LIMITS = { bytes: 200 * 1024, remove: 1000, keep: 5000, keepRepositories: 1000 } as const

/** The request is not valid. The message is one sentence. */
export class InvalidRequestError extends Error {
  override readonly name = 'InvalidRequestError'
}

/** Formats a request for the annotation. Throws `InvalidRequestError` when it exceeds `REQUEST_LIMITS`. */
export function encodeRequest({ remove, keep, keepRepositories = [] }: RemovalRequest): string {
  const repositories = keepRepositories.length > 0 && { keepRepositories }
  const text = JSON.stringify({ v: 1, remove, keep, ...repositories })
  parseRequest(text)
  return text
}

/** Parses a request. Throws `InvalidRequestError`. */
export function parseRequest(text: string): RemovalRequest {
  const bytes = Buffer.byteLength(text)
  if (bytes > REQUEST_LIMITS.bytes) {
    throw new InvalidRequestError(`the request has ${bytes} bytes, ${REQUEST_LIMITS.bytes} are allowed`)
  }
  const value = parseJson(text)
  if (typeof value !== 'object' || value === null || !('v' in value) || value.v !== 1) {
    throw new InvalidRequestError('the request is not of version 1')
  }
  return {
    remove: references('remove', 'remove' in value ? value.remove : undefined),
    keep: references('keep', 'keep' in value ? value.keep : undefined),
    ...('keepRepositories' in value && {
      keepRepositories: references('keepRepositories', value.keepRepositories),
    }),
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new InvalidRequestError('the request is not JSON', { cause })
  }
}

function references(field: Exclude<keyof typeof REQUEST_LIMITS, 'bytes'>, value: unknown): readonly string[] {
  if (!Array.isArray(value) || !value.every(item => typeof item === 'string')) {
    throw new InvalidRequestError(`"${field}" of the request is not a list of references`)
  }
  if (value.length > REQUEST_LIMITS[field]) {
    throw new InvalidRequestError(
      `"${field}" of the request has ${value.length} references, ${REQUEST_LIMITS[field]} are allowed`,
    )
  }
  return value
}
