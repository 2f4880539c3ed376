import type { IncomingMessage } from 'node:http'
import { discard } from './answer-body.ts'
import { RegistryError } from './registry-error.ts'
import type { Question, Transport } from './transport.ts'

/** A request that follows redirects. */
export interface FollowedQuestion extends Question {
  /** Goes to the origin of `url` only; a redirect elsewhere loses it for good. */
  readonly authorization?: string | undefined
  /** The https URL whose answer named this one; then this one must be https, too. */
  readonly namedBy?: URL
}

/** The answer at the end of the redirects. */
export interface FollowedAnswer {
  readonly answer: IncomingMessage
  /** False where a redirect led to another scheme, host or port: then the answer is not the word of who was asked. */
  readonly sameOrigin: boolean
}

const MAX_REDIRECTS = 3
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Asks by https (by HTTP only hosts that were named for it) and follows redirects. */
export class RedirectingClient {
  readonly #transport: Transport
  readonly #insecureHosts: ReadonlySet<string>
  readonly #userAgent: string

  /** `insecureHosts` holds `host:port` as {@link URL} writes it. */
  constructor(transport: Transport, insecureHosts: ReadonlySet<string>, userAgent: string) {
    this.#transport = transport
    this.#insecureHosts = insecureHosts
    this.#userAgent = userAgent
  }

  /** Throws RegistryError `Blocked`, `Unavailable`, `InvalidAnswer`. */
  async ask(question: FollowedQuestion): Promise<FollowedAnswer> {
    let { url, authorization } = question
    this.#checkScheme(url, question.namedBy)
    let sameOrigin = true
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#transport.send({
        ...question,
        url,
        headers: {
          ...question.headers,
          'user-agent': this.#userAgent,
          ...(authorization !== undefined && { authorization }),
        },
      })
      const { location } = answer.headers
      if (!REDIRECTS.has(answer.statusCode ?? 0) || location === undefined) return { answer, sameOrigin }
      discard(answer, question.method)
      if (redirects === MAX_REDIRECTS) {
        throw new RegistryError(
          'InvalidAnswer',
          `${question.url.host} redirects more than ${MAX_REDIRECTS} times`,
        )
      }
      const next = URL.parse(location, url.href)
      if (!next) throw new RegistryError('InvalidAnswer', `${question.url.host} redirects to what is no URL`)
      this.#checkScheme(next, url)
      if (next.origin !== url.origin) {
        sameOrigin = false
        authorization = undefined
      }
      url = next
    }
  }

  #checkScheme(url: URL, namedBy: URL | undefined): void {
    if (url.protocol === 'https:') return
    const who = namedBy ? `${namedBy.host} points to` : 'asked for'
    if (url.protocol !== 'http:' || namedBy?.protocol === 'https:' || !this.#insecureHosts.has(url.host)) {
      throw new RegistryError('Blocked', `${who} an address without https`)
    }
  }
}
