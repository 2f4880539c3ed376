import { createHash } from 'node:crypto'
import type { Credentials } from './credentials.ts'
import { LruMap } from '../../base/lru-map.ts'

/** The parameters of a token request. Each combination has its own token. */
export interface TokenRequest {
  /** Address of the token server. */
  readonly realm: string
  readonly service: string
  readonly scope: string
  /** Absent for anonymous access. */
  readonly credentials?: Credentials | undefined
}

const MAX_TOKENS = 1000
/** A token is dropped this long before it expires, so that it does not expire during a request. */
const MARGIN_MS = 5_000

/** Caches bearer tokens until shortly before they expire. */
export class TokenCache {
  readonly #now: () => number
  readonly #tokens = new LruMap<string, { readonly token: string; readonly endsAt: number }>(MAX_TOKENS)

  /** `now` gives milliseconds on a monotonic scale. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** The token, unless it expires soon. */
  get(request: TokenRequest): string | undefined {
    const entry = this.#tokens.get(keyOf(request))
    return entry && this.#now() < entry.endsAt - MARGIN_MS ? entry.token : undefined
  }

  /** Stores a token that was just issued for `lifetimeMs`. */
  set(request: TokenRequest, token: string, lifetimeMs: number): void {
    this.#tokens.set(keyOf(request), { token, endsAt: this.#now() + lifetimeMs })
  }
}

/** Keys are hashes, so that no key contains a password. */
function keyOf({ realm, service, scope, credentials }: TokenRequest): string {
  const parts = [realm, service, scope, credentials?.username ?? null, credentials?.password ?? null]
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64')
}
