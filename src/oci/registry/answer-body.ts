import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { RegistryError } from './registry-error.ts'

/** Limit in bytes for a body that is read. Tokens and errors are shorter. */
const MAX_TEXT_BYTES = 16 * 1024
/** Size of a manifest that every registry must accept (distribution-spec 1.1, "Pushing Manifests"). */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024

/** Reads the body as text. After 16 KB it stops and closes the connection. */
export async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size >= MAX_TEXT_BYTES) break
  }
  return Buffer.concat(chunks).subarray(0, MAX_TEXT_BYTES).toString('utf8')
}

/**
 * Computes the digest of the body without storing the body. Throws RegistryError `InvalidAnswer` when the
 * body is longer than 4 MiB.
 */
export async function digestOfBody(answer: IncomingMessage, algorithm: string): Promise<string> {
  const hash = createHash(algorithm)
  let size = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_MANIFEST_BYTES) {
      throw new RegistryError('InvalidAnswer', `the manifest is longer than ${MAX_MANIFEST_BYTES} bytes`)
    }
    hash.update(chunk)
  }
  return `${algorithm}:${hash.digest('hex')}`
}

/** Drops an answer whose body is not needed. The connection is kept when there is no body, else closed. */
export function discard(answer: IncomingMessage, method: 'GET' | 'HEAD'): void {
  if (method === 'HEAD' || answer.headers['content-length'] === '0') answer.resume()
  else answer.destroy()
}

/**
 * The error codes in a body (distribution specification), at most three, as `DENIED, UNKNOWN`. Empty when
 * there are none.
 */
export function errorCodesOf(text: string): string {
  const codes: string[] = []
  for (const error of errorsOf(text)) {
    const code: unknown =
      typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
    if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{0,47}$/.test(code)) codes.push(code)
  }
  return codes.slice(0, 3).join(', ')
}

function errorsOf(text: string): readonly unknown[] {
  try {
    const body: unknown = JSON.parse(text)
    const errors: unknown =
      typeof body === 'object' && body !== null && 'errors' in body ? body.errors : undefined
    return Array.isArray(errors) ? errors : []
  } catch {
    return [] // the page of a proxy: the status is enough
  }
}
