import { readFile } from 'node:fs/promises'
import { KubeError } from './errors.ts'

/** A client's proof of identity for the API server. */
export interface Credential {
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string
  /** PEM of the client certificate for TLS, together with `key`. */
  readonly cert?: string
  readonly key?: string
}

/** A source of credentials that may change. */
export interface CredentialSource {
  /** The credential for the next request. */
  get(): Promise<Credential>
  /**
   * Reports that the server refused this credential (401). The next `get` reads a new one, unless a newer one
   * is already known.
   */
  invalidate(refused: Credential): void
}

/** A credential that never changes. */
export function fixedCredential(credential: Credential): CredentialSource {
  return { get: () => Promise.resolve(credential), invalidate: () => {} }
}

/**
 * Age in milliseconds after which a token file is read again. The kubelet replaces the file long before the
 * token expires.
 */
const TOKEN_FILE_TTL_MS = 10_000

/**
 * A bearer token in a file that another process replaces, such as a projected service-account token. The file
 * is read at most every 10 s, and again after a 401. While the file cannot be read, the last token is used.
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
