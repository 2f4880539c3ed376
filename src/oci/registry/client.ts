import type { IncomingMessage } from 'node:http'
import { type Logger, silentLogger } from '../../base/logger.ts'
import { type Reference, registryHost } from '../reference.ts'
import { checkDigest } from '../reference-grammar.ts'
import { InvalidReferenceError } from '../reference-error.ts'
import { AddressGuard } from './address-guard.ts'
import { digestOfBody, discard } from './answer-body.ts'
import { RedirectingClient } from './redirecting-client.ts'
import { type Access, Authorizer } from './authorizer.ts'
import type { Credentials } from './credentials.ts'
import { withDeadline } from './deadline.ts'
import { HostGate } from './host-gate.ts'
import { RegistryError } from './registry-error.ts'
import { errorOfStatus } from './status-error.ts'
import { toRegistryError, Transport } from './transport.ts'

/** How registries are asked. */
export interface RegistryClientOptions {
  /** Value of `User-Agent`. */
  readonly userAgent: string
  /** `host[:port]` of registries and token servers that are asked by plain HTTP, for labs and tests; none where absent. */
  readonly insecureHosts?: ReadonlySet<string>
  /** `host[:port]` whose addresses may be loopback, for tests; none where absent. */
  readonly loopbackHosts?: ReadonlySet<string>
  /**
   * True for addresses that are never asked, besides loopback, link-local and metadata services: those of the API server and of
   * Services. Gets IPv4 in dotted form, also where an IPv6 address wraps it.
   */
  readonly blocked?: (address: string) => boolean
  /** Milliseconds for one image, tokens and redirects included, from when it is its turn; 10 000 where absent. */
  readonly timeoutMs?: number
  readonly log?: Logger
}

/** What a reference stands for right now. */
export interface Resolution {
  /** Of the index, where the image has one: `sha256:…`. */
  readonly digest: string
  readonly mediaType: string
}

const DEFAULT_TIMEOUT_MS = 10_000
/** Questions to one registry at the same time. */
const MAX_PER_HOST = 4
const DEFAULT_TAG = 'latest'
/** What an image can be; asking for all of them lets the tag's own digest come, not that of a converted manifest. */
const MEDIA_TYPES: readonly string[] = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]
/** Statuses of registries that know GET only. */
const NO_HEAD: ReadonlySet<number> = new Set([405, 501])

/** A question to the registry, and what may be said with it. */
interface Exchange {
  readonly ref: Reference
  readonly url: URL
  readonly access: Access
  readonly signal: AbortSignal
  authorization: string | undefined
}

/** Asks registries for the digest behind a tag, after the OCI distribution specification 1.1. */
export class RegistryClient {
  readonly #insecureHosts: ReadonlySet<string>
  readonly #timeoutMs: number
  readonly #log: Logger
  readonly #gate = new HostGate(MAX_PER_HOST)
  readonly #transport: Transport
  readonly #asker: RedirectingClient
  readonly #authorizer: Authorizer

  constructor(options: RegistryClientOptions) {
    this.#insecureHosts = urlHosts(options.insecureHosts)
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
    this.#log = options.log ?? silentLogger
    const loopbackHosts = urlHosts(options.loopbackHosts)
    this.#transport = new Transport(
      new AddressGuard({ blocked: options.blocked ?? (() => false), loopbackHosts }),
    )
    this.#asker = new RedirectingClient(this.#transport, this.#insecureHosts, options.userAgent)
    this.#authorizer = new Authorizer(this.#asker)
  }

  /**
   * The digest that the registry has for the reference: one HEAD, and a GET only where the registry names no digest. At most four
   * at a time per registry, others wait; a registry that answered 429 is left alone until its `Retry-After` has passed. Nothing is
   * tried again: that is the caller's decision.
   *
   * Throws RegistryError, or the reason of the signal.
   */
  async resolve(ref: Reference, credentials?: Credentials, signal?: AbortSignal): Promise<Resolution> {
    const url = this.#urlOf(ref)
    const access: Access = { registry: url, path: ref.path, credentials }
    try {
      return await this.#gate.run(url.host, signal, () =>
        withDeadline(url.host, this.#timeoutMs, signal, async deadline => {
          try {
            return await this.#resolve({ ref, url, access, signal: deadline, authorization: undefined })
          } catch (error) {
            throw toRegistryError(url, error)
          }
        }),
      )
    } catch (error) {
      if (error instanceof RegistryError) {
        const { code, retryAfterMs, message } = error
        this.#log.debug({ image: ref.text, code, retryAfterMs }, `registry gave no digest: ${message}`)
      }
      throw error
    }
  }

  /** Cuts all connections. */
  close(): void {
    this.#transport.close()
  }

  async #resolve(exchange: Exchange): Promise<Resolution> {
    exchange.authorization = await this.#authorizer.prepare(exchange.access, exchange.signal)
    const head = await this.#askManifest('HEAD', exchange)
    const status = head.statusCode ?? 0
    if (status === 200) {
      const digest = head.headers['docker-content-digest']
      if (typeof digest === 'string') {
        const mediaType = mediaTypeOf(head, exchange)
        discard(head, 'HEAD')
        return { digest: checkedDigest(digest, exchange), mediaType }
      }
    } else if (!NO_HEAD.has(status)) {
      throw await errorOfStatus(exchange.url.host, 'HEAD', head)
    }
    discard(head, 'HEAD')
    return this.#resolveByContent(exchange)
  }

  /** For registries that do not name the digest, which the specification leaves to them. */
  async #resolveByContent(exchange: Exchange): Promise<Resolution> {
    const answer = await this.#askManifest('GET', exchange)
    if (answer.statusCode !== 200) throw await errorOfStatus(exchange.url.host, 'GET', answer)
    const mediaType = mediaTypeOf(answer, exchange)
    const algorithm = exchange.ref.digest?.split(':')[0] ?? 'sha256'
    return { digest: checkedDigest(await digestOfBody(answer, algorithm), exchange), mediaType }
  }

  /** Asks, and once more where the registry's 401 says what it wants to see. */
  async #askManifest(method: 'GET' | 'HEAD', exchange: Exchange): Promise<IncomingMessage> {
    const { url, access, signal } = exchange
    const ask = () =>
      this.#asker.ask({
        method,
        url,
        headers: { accept: MEDIA_TYPES.join(', ') },
        authorization: exchange.authorization,
        signal,
      })
    const { answer, sameOrigin } = await ask()
    const challenge = answer.headers['www-authenticate']
    // Who was only redirected to gets no credentials, and may not send us to a token server either.
    if (answer.statusCode !== 401 || !sameOrigin || challenge === undefined) return answer
    discard(answer, method)
    exchange.authorization = await this.#authorizer.meet(challenge, access, signal)
    return (await ask()).answer
  }

  #urlOf(ref: Reference): URL {
    const host = registryHost(ref)
    const path = `/v2/${ref.path}/manifests/${ref.digest ?? ref.tag ?? DEFAULT_TAG}`
    const plain = URL.parse(`http://${host}${path}`)
    const url = plain && this.#insecureHosts.has(plain.host) ? plain : URL.parse(`https://${host}${path}`)
    // The grammar of references lets through what is no host: a port above 65535, 1.2.3.999.
    if (!url) throw new RegistryError('Blocked', `${host} is no host`)
    return url
  }
}

/** Hosts as {@link URL} writes those of plain HTTP: in lower case, without port 80. */
function urlHosts(hosts: ReadonlySet<string> = new Set()): ReadonlySet<string> {
  return new Set([...hosts].map(host => new URL(`http://${host}/`).host))
}

/** Login portals and proxies answer 200, too. */
function mediaTypeOf(answer: IncomingMessage, { url }: Exchange): string {
  const mediaType = answer.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? ''
  if (MEDIA_TYPES.includes(mediaType)) return mediaType
  answer.destroy()
  throw new RegistryError(
    'InvalidAnswer',
    `${url.host} answered 200 with something that is no image manifest`,
  )
}

function checkedDigest(digest: string, { ref, url }: Exchange): string {
  try {
    checkDigest({ whole: digest, text: digest, start: 0 })
  } catch (cause) {
    if (!(cause instanceof InvalidReferenceError)) throw cause
    throw new RegistryError('InvalidAnswer', `${url.host} names a digest that is none`, { cause })
  }
  if (ref.digest === undefined || ref.digest === digest) return digest
  throw new RegistryError('InvalidAnswer', `${url.host} has something else under the digest`)
}
