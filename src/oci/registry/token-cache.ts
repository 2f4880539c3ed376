import { createHash } from 'node:crypto'
import type { Credentials } from './credentials.ts'
import { LruMap } from '../../base/lru-map.ts'

/** What a token is asked for with; another one is another token. */
export interface TokenRequest {
  /** Address of the token server. */
  readonly realm: string
  readonly service: string
  readonly scope: string
  /** Absent for anonymous access. */
  readonly credentials?: Credentials | undefined
}

const MAX_TOKENS = 1000
/** A token is given up this long before its end, so that it does not end on its way. */
const MARGIN_MS = 5_000

/** Bearer tokens until shortly before they end. */
export class TokenCache {
  readonly #now: () => number
  readonly #tokens = new LruMap<string, { readonly token: string; readonly endsAt: number }>(MAX_TOKENS)

  /** `now` gives milliseconds on a monotonic scale. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** The token, if it is still good. */
  get(request: TokenRequest): string | undefined {
    const entry = this.#tokens.get(keyOf(request))
    return entry && this.#now() < entry.endsAt - MARGIN_MS ? entry.token : undefined
  }

  /** Keeps a token that was issued a moment ago for `lifetimeMs`. */
  set(request: TokenRequest, token: string, lifetimeMs: number): void {
    this.#tokens.set(keyOf(request), { token, endsAt: this.#now() + lifetimeMs })
  }
}

/** A hash: no key, and so no dump of keys, holds a password. */
function keyOf({ realm, service, scope, credentials }: TokenRequest): string {
  const parts = [realm, service, scope, credentials?.username ?? null, credentials?.password ?? null]
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64')
}
