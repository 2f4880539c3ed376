import type { IncomingMessage } from 'node:http'
import { discard } from './answer-body.ts'
import { RegistryError } from './registry-error.ts'
import type { TransportRequest, Transport } from './transport.ts'

/** A request whose redirects are followed. */
export interface RedirectableRequest extends TransportRequest {
  /** Sent to the origin of `url` only. A redirect to another origin drops it. */
  readonly authorization?: string | undefined
  /** URL of the answer that named this URL. When it is https, this URL must be https too. */
  readonly namedBy?: URL
}

/** The answer after the last redirect. */
export interface FinalAnswer {
  readonly answer: IncomingMessage
  /**
   * False after a redirect to another scheme, host or port. The answer is then not from the registry itself.
   */
  readonly sameOrigin: boolean
}

const MAX_REDIRECTS = 3
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Sends requests by https and follows redirects. Plain HTTP is allowed only for the insecure hosts. */
export class RedirectingClient {
  readonly #transport: Transport
  readonly #insecureHosts: ReadonlySet<string>
  readonly #userAgent: string

  /** `insecureHosts` has `host:port` as {@link URL} formats it. */
  constructor(transport: Transport, insecureHosts: ReadonlySet<string>, userAgent: string) {
    this.#transport = transport
    this.#insecureHosts = insecureHosts
    this.#userAgent = userAgent
  }

  /**
   * Resolves when the head of the last answer arrives. Throws RegistryError `Blocked`, `Unavailable`,
   * `InvalidAnswer`.
   */
  async send(request: RedirectableRequest): Promise<FinalAnswer> {
    let { url, authorization } = request
    this.#checkScheme(url, request.namedBy)
    let sameOrigin = true
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#transport.send({
        ...request,
        url,
        headers: {
          ...request.headers,
          'user-agent': this.#userAgent,
          ...(authorization !== undefined && { authorization }),
        },
      })
      const { location } = answer.headers
      if (!REDIRECTS.has(answer.statusCode ?? 0) || location === undefined) return { answer, sameOrigin }
      discard(answer, request.method)
      if (redirects === MAX_REDIRECTS) {
        throw new RegistryError(
          'InvalidAnswer',
          `${request.url.host} redirects more than ${MAX_REDIRECTS} times`,
        )
      }
      const next = URL.parse(location, url.href)
      if (!next) throw new RegistryError('InvalidAnswer', `${request.url.host} redirects to what is no URL`)
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
