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
 * is read again after 10 s, while requests use the last token: a slow disk or a busy thread pool must not
 * hold up the renewal of a Lease. After a 401 requests wait for the new token. While the file cannot be
 * read, the last token is used.
 */
export class TokenFile implements CredentialSource {
  readonly #path: string
  readonly #rest: Credential
  #token: string | undefined
  #readAt = Number.NEGATIVE_INFINITY
  #isRefused = false
  #reading: Promise<void> | undefined

  constructor(path: string, rest: Credential = {}) {
    this.#path = path
    this.#rest = rest
  }

  async get(): Promise<Credential> {
    if (performance.now() - this.#readAt >= TOKEN_FILE_TTL_MS) {
      this.#reading ??= this.#read()
      if (this.#token === undefined || this.#isRefused) await this.#reading
    }
    return this.#token ? { ...this.#rest, token: this.#token } : this.#rest
  }

  invalidate(): void {
    this.#readAt = Number.NEGATIVE_INFINITY
    this.#isRefused = true
  }

  /** Rejects only while no token is known. */
  async #read(): Promise<void> {
    try {
      this.#token = (await readFile(this.#path, 'utf8')).trim()
      this.#readAt = performance.now()
    } catch (cause) {
      if (this.#token === undefined) {
        throw new KubeError('Unauthorized', `cannot read the token file ${this.#path}`, { cause })
      }
    } finally {
      this.#isRefused = false
      this.#reading = undefined
    }
  }
}
