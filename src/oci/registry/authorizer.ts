import * as z from 'zod'
import { readText } from './answer-body.ts'
import type { RedirectingClient } from './redirecting-client.ts'
import { type Challenge, parseChallenges } from './challenge.ts'
import { basicAuthorization, type Credentials } from './credentials.ts'
import { LruMap } from '../../base/lru-map.ts'
import { RegistryError } from './registry-error.ts'
import { errorOfStatus } from './status-error.ts'
import { TokenCache, type TokenRequest } from './token-cache.ts'

/** Who wants to read what. */
export interface Access {
  /** Any URL of the registry. */
  readonly registry: URL
  /** The repository's name in the registry. */
  readonly path: string
  /** Absent for anonymous access. */
  readonly credentials?: Credentials | undefined
}

const MAX_CHALLENGES = 1000
/** What a token lives that comes without `expires_in` (distribution's token specification). */
const DEFAULT_LIFETIME_S = 60

const TOKEN_ANSWER = z.object({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().positive().catch(DEFAULT_LIFETIME_S).default(DEFAULT_LIFETIME_S),
})

/**
 * Knows what to say in `Authorization`: Basic, or a Bearer token from the server that the registry names (distribution's token
 * authentication). Remembers what a repository wanted, so that the next question is a single request.
 */
export class Authorizer {
  readonly #asker: RedirectingClient
  readonly #tokens = new TokenCache()
  readonly #challenges = new LruMap<string, Challenge>(MAX_CHALLENGES)

  constructor(asker: RedirectingClient) {
    this.#asker = asker
  }

  /** The value of `Authorization` that met the repository's last challenge. Undefined where it is to be asked without. */
  async prepare(access: Access, signal: AbortSignal): Promise<string | undefined> {
    const challenge = this.#challenges.get(keyOf(access))
    if (challenge === undefined) return undefined
    if (challenge.scheme === 'basic') return access.credentials && basicAuthorization(access.credentials)
    const request = tokenRequestOf(challenge, access)
    try {
      return `Bearer ${this.#tokens.get(request) ?? (await this.#fetchToken(request, access, signal))}`
    } catch (error) {
      // The registry may name another token server by now: the next question starts from nothing.
      this.#challenges.delete(keyOf(access))
      throw error
    }
  }

  /**
   * The value of `Authorization` that meets the challenge of a 401 of the registry itself. Throws RegistryError `Unauthorized`
   * where there is none, and what asking the token server leads to.
   */
  async meet(header: string, access: Access, signal: AbortSignal): Promise<string> {
    const challenges = parseChallenges(header)
    const bearer = challenges.find(({ scheme, params }) => scheme === 'bearer' && params.has('realm'))
    if (bearer) {
      const request = tokenRequestOf(bearer, access)
      const token = await this.#fetchToken(request, access, signal)
      this.#challenges.set(keyOf(access), bearer)
      return `Bearer ${token}`
    }
    const basic = challenges.find(({ scheme }) => scheme === 'basic')
    if (!basic || !access.credentials) {
      const wanted = basic ? 'credentials' : 'an unknown kind of authentication'
      throw new RegistryError('Unauthorized', `${access.registry.host} answered 401 and wants ${wanted}`)
    }
    this.#challenges.set(keyOf(access), basic)
    return basicAuthorization(access.credentials)
  }

  async #fetchToken(request: TokenRequest, access: Access, signal: AbortSignal): Promise<string> {
    const who = `the token server of ${access.registry.host}`
    const { credentials } = request
    const { answer } = await this.#asker.ask({
      method: 'GET',
      url: tokenUrl(request, who),
      namedBy: access.registry,
      headers: { accept: 'application/json' },
      authorization: credentials && basicAuthorization(credentials),
      signal,
    })
    if (answer.statusCode !== 200) {
      const error = await errorOfStatus(who, 'GET', answer)
      // 404 is about the token server's own address, not about the image.
      throw error.code === 'NotFound' ? new RegistryError('InvalidAnswer', error.message) : error
    }
    const { token, lifetimeMs } = parseToken(await readText(answer), who)
    this.#tokens.set(request, token, lifetimeMs)
    return token
  }
}

function keyOf({ registry, path }: Access): string {
  return `${registry.origin}/${path}`
}

function tokenRequestOf({ params }: Challenge, { path, credentials }: Access): TokenRequest {
  return {
    realm: params.get('realm') ?? '',
    service: params.get('service') ?? '',
    scope: params.get('scope') ?? `repository:${path}:pull`,
    credentials,
  }
}

function tokenUrl({ realm, service, scope }: TokenRequest, who: string): URL {
  const url = URL.parse(realm)
  if (!url) throw new RegistryError('InvalidAnswer', `the address of ${who} is no URL`)
  if (service !== '') url.searchParams.set('service', service)
  for (const part of scope.split(' ')) if (part !== '') url.searchParams.append('scope', part)
  return url
}

function parseToken(text: string, who: string): { token: string; lifetimeMs: number } {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    body = undefined // falls through to the one message for all that is no token
  }
  const answer = TOKEN_ANSWER.safeParse(body)
  const token = answer.data?.token || answer.data?.access_token || ''
  if (!answer.success || !/^[\x21-\x7e]+$/.test(token)) {
    throw new RegistryError('InvalidAnswer', `${who} answered 200 without a token`)
  }
  return { token, lifetimeMs: answer.data.expires_in * 1000 }
}
