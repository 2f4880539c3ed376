import * as z from 'zod'
import { readText } from './answer-body.ts'
import type { RedirectingClient } from './redirecting-client.ts'
import { type Challenge, parseChallenges } from './challenge.ts'
import { basicAuthorization, type Credentials } from './credentials.ts'
import { LruMap } from '../../base/lru-map.ts'
import { RegistryError } from './registry-error.ts'
import { errorOfStatus } from './status-error.ts'
import { TokenCache, type TokenRequest } from './token-cache.ts'

/** A repository and the credentials to read it. */
export interface Access {
  /** Any URL of the registry. */
  readonly registry: URL
  /** Name of the repository in the registry. */
  readonly path: string
  /** Absent for anonymous access. */
  readonly credentials?: Credentials | undefined
}

const MAX_CHALLENGES = 1000
/** Lifetime of a token without `expires_in` (distribution's token specification). */
const DEFAULT_LIFETIME_S = 60

const TOKEN_ANSWER = z.object({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().positive().catch(DEFAULT_LIFETIME_S).default(DEFAULT_LIFETIME_S),
})

/**
 * Creates values of the `Authorization` header: Basic, or a Bearer token from the token server that the
 * registry names (distribution's token authentication). It remembers the challenge of each repository, so
 * that the next manifest needs only one request.
 */
export class Authorizer {
  readonly #http: RedirectingClient
  readonly #tokens = new TokenCache()
  readonly #challenges = new LruMap<string, Challenge>(MAX_CHALLENGES)

  constructor(http: RedirectingClient) {
    this.#http = http
  }

  /** The `Authorization` value for the repository's last challenge. Undefined when there was no challenge. */
  async authorizationFor(access: Access, signal: AbortSignal): Promise<string | undefined> {
    const challenge = this.#challenges.get(keyOf(access))
    if (challenge === undefined) return undefined
    if (challenge.scheme === 'basic') return access.credentials && basicAuthorization(access.credentials)
    const request = tokenRequestOf(challenge, access)
    try {
      return `Bearer ${this.#tokens.get(request) ?? (await this.#fetchToken(request, access, signal))}`
    } catch (error) {
      // The registry may name another token server now. The next request starts without a challenge.
      this.#challenges.delete(keyOf(access))
      throw error
    }
  }

  /**
   * The `Authorization` value for the challenge of the registry's 401. Throws RegistryError `Unauthorized`
   * when the challenge cannot be met, and the errors of the token request.
   */
  async authorizationForChallenge(header: string, access: Access, signal: AbortSignal): Promise<string> {
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
    const { answer } = await this.#http.send({
      method: 'GET',
      url: tokenUrl(request, who),
      namedBy: access.registry,
      headers: { accept: 'application/json' },
      authorization: credentials && basicAuthorization(credentials),
      signal,
    })
    if (answer.statusCode !== 200) {
      const error = await errorOfStatus(who, 'GET', answer)
      // A 404 is about the token server's address, not about the image.
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
    body = undefined // the check below reports every answer without a token
  }
  const answer = TOKEN_ANSWER.safeParse(body)
  const token = answer.data?.token || answer.data?.access_token || ''
  if (!answer.success || !/^[\x21-\x7e]+$/.test(token)) {
    throw new RegistryError('InvalidAnswer', `${who} answered 200 without a token`)
  }
  return { token, lifetimeMs: answer.data.expires_in * 1000 }
}
