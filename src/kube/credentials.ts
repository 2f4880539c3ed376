import { readFile } from 'node:fs/promises'
import { KubeError } from './errors.ts'

/** What proves to the API server who is asking. */
export interface Credential {
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string
  /** PEM, with `key`: client certificate for TLS. */
  readonly cert?: string
  readonly key?: string
}

/** A source of credentials that may change over time. */
export interface CredentialSource {
  /** The credential for a request that is about to be sent. */
  get(): Promise<Credential>
  /** The server refused this credential (401): unless another is there by now, the next `get` must not answer from memory. */
  invalidate(refused: Credential): void
}

/** A credential that never changes. */
export function fixedCredential(credential: Credential): CredentialSource {
  return { get: () => Promise.resolve(credential), invalidate: () => {} }
}

/** How long a token file's content is believed before it is read again; the kubelet replaces it long before it expires. */
const TOKEN_FILE_TTL_MS = 10_000

/**
 * A bearer token in a file that somebody else replaces (a projected service-account token): read at most every 10 s, and
 * again after a 401. While the file cannot be read, the last token is used.
 */
export class TokenFile implements CredentialSource {
  readonly #path: string
  readonly #rest: Credential
  #token: string | undefined
  #readAt = Number.NEGATIVE_INFINITY

  constructor(path: string, rest: Credential = {}) {
    this.#path = path
    this.#rest = rest
  }

  async get(): Promise<Credential> {
    const now = performance.now()
    if (now - this.#readAt >= TOKEN_FILE_TTL_MS) {
      try {
        this.#token = (await readFile(this.#path, 'utf8')).trim()
        this.#readAt = now
      } catch (cause) {
        if (this.#token === undefined) {
          throw new KubeError('Unauthorized', `cannot read the token file ${this.#path}`, { cause })
        }
      }
    }
    return this.#token ? { ...this.#rest, token: this.#token } : this.#rest
  }

  invalidate(): void {
    this.#readAt = Number.NEGATIVE_INFINITY
  }
}
