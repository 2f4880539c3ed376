/**
 * What a purge asks of a node: the JSON text of `/etc/kubefledged/request.json`, which the kubelet projects from an annotation
 * `kubefledged.io/purge-request` of the Pod (downward API). So no reference that a user wrote is ever part of a command line.
 */

/** References to remove from one node. */
export interface PurgeRequest {
  /** What nobody who is known wants any more. Outcomes answer in this order. */
  readonly remove: readonly string[]
  /** What others want on this node, so that it stays whatever it shares an image ID with. */
  readonly keep: readonly string[]
}

/** Folder of the Pod's downward API volume, and the file in it. */
const REQUEST_DIRECTORY = '/etc/kubefledged'
export const REQUEST_FILE = `${REQUEST_DIRECTORY}/request.json`

/** Bounds of a request; what is more goes into a second Job. An object's annotations may have 256 KiB together. */
export const REQUEST_LIMITS = { bytes: 200 * 1024, remove: 1000, keep: 5000 } as const

/** The text of a request cannot be used. The message is one sentence. */
export class InvalidRequestError extends Error {
  override readonly name = 'InvalidRequestError'
}

/** The text that goes into the annotation. Throws `InvalidRequestError` for a request beyond `REQUEST_LIMITS`. */
export function encodeRequest({ remove, keep }: PurgeRequest): string {
  const text = JSON.stringify({ v: 1, remove, keep })
  parseRequest(text)
  return text
}

/** Reads a request. Throws `InvalidRequestError`. */
export function parseRequest(text: string): PurgeRequest {
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
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new InvalidRequestError('the request is not JSON', { cause })
  }
}

function references(field: 'remove' | 'keep', value: unknown): readonly string[] {
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
