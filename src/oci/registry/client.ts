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

/** Settings of a registry client. */
export interface RegistryClientOptions {
  /** Value of `User-Agent`. */
  readonly userAgent: string
  /** `host[:port]` of registries and token servers that use plain HTTP, for labs and tests. Default: none. */
  readonly insecureHosts?: ReadonlySet<string>
  /** `host[:port]` of hosts that may have loopback addresses, for tests. Default: none. */
  readonly loopbackHosts?: ReadonlySet<string>
  /**
   * True for further blocked addresses: those of the API server and of Services. Loopback, link-local and
   * metadata services are always blocked. Receives IPv4 in dotted form, also when it is embedded in IPv6.
   */
  readonly blocked?: (address: string) => boolean
  /**
   * Time limit in milliseconds for one image, with token requests and redirects. It starts when the wait for
   * the host ends. Default 10 000.
   */
  readonly timeoutMs?: number
  readonly log?: Logger
}

/** The digest of a tag at the time of the request. */
export interface Resolution {
  /** Digest of the index, if the image has one: `sha256:…`. */
  readonly digest: string
  readonly mediaType: string
}

const DEFAULT_TIMEOUT_MS = 10_000
/** Requests to one registry at the same time. */
const MAX_PER_HOST = 4
const DEFAULT_TAG = 'latest'
/**
 * Media types of images. All are accepted, so that the registry returns the tag's own digest and converts no
 * manifest.
 */
const MEDIA_TYPES: readonly string[] = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]
/** Statuses of registries that support GET only. */
const NO_HEAD: ReadonlySet<number> = new Set([405, 501])

/** A manifest request with its authorization. */
interface Exchange {
  readonly ref: Reference
  readonly url: URL
  readonly access: Access
  readonly signal: AbortSignal
  authorization: string | undefined
}

/** Reads the digest of a tag from a registry (OCI distribution specification 1.1). */
export class RegistryClient {
  readonly #insecureHosts: ReadonlySet<string>
  readonly #timeoutMs: number
  readonly #log: Logger
  readonly #gate = new HostGate(MAX_PER_HOST)
  readonly #transport: Transport
  readonly #http: RedirectingClient
  readonly #authorizer: Authorizer

  constructor(options: RegistryClientOptions) {
    this.#insecureHosts = urlHosts(options.insecureHosts)
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
    this.#log = options.log ?? silentLogger
    const loopbackHosts = urlHosts(options.loopbackHosts)
    this.#transport = new Transport(
      new AddressGuard({ blocked: options.blocked ?? (() => false), loopbackHosts }),
    )
    this.#http = new RedirectingClient(this.#transport, this.#insecureHosts, options.userAgent)
    this.#authorizer = new Authorizer(this.#http)
  }

  /**
   * Reads the registry's digest of the reference: one HEAD, then a GET only when the HEAD has no digest. At
   * most four requests run per registry, others wait. After a 429, requests to the registry fail at once
   * until its `Retry-After` has passed. Nothing is retried here: the caller decides.
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

  /** Closes all connections. */
  close(): void {
    this.#transport.close()
  }

  async #resolve(exchange: Exchange): Promise<Resolution> {
    exchange.authorization = await this.#authorizer.authorizationFor(exchange.access, exchange.signal)
    const head = await this.#requestManifest('HEAD', exchange)
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

  /** For registries without a digest header. It is optional in the specification. */
  async #resolveByContent(exchange: Exchange): Promise<Resolution> {
    const answer = await this.#requestManifest('GET', exchange)
    if (answer.statusCode !== 200) throw await errorOfStatus(exchange.url.host, 'GET', answer)
    const mediaType = mediaTypeOf(answer, exchange)
    const algorithm = exchange.ref.digest?.split(':')[0] ?? 'sha256'
    return { digest: checkedDigest(await digestOfBody(answer, algorithm), exchange), mediaType }
  }

  /** Sends the request. After a 401 with a challenge, sends it once more with authorization. */
  async #requestManifest(method: 'GET' | 'HEAD', exchange: Exchange): Promise<IncomingMessage> {
    const { url, access, signal } = exchange
    const send = () =>
      this.#http.send({
        method,
        url,
        headers: { accept: MEDIA_TYPES.join(', ') },
        authorization: exchange.authorization,
        signal,
      })
    const { answer, sameOrigin } = await send()
    const challenge = answer.headers['www-authenticate']
    // A host that the registry redirected to receives no credentials and cannot choose a token server.
    if (answer.statusCode !== 401 || !sameOrigin || challenge === undefined) return answer
    discard(answer, method)
    exchange.authorization = await this.#authorizer.authorizationForChallenge(challenge, access, signal)
    return (await send()).answer
  }

  #urlOf(ref: Reference): URL {
    const host = registryHost(ref)
    const path = `/v2/${ref.path}/manifests/${ref.digest ?? ref.tag ?? DEFAULT_TAG}`
    const plain = URL.parse(`http://${host}${path}`)
    const url = plain && this.#insecureHosts.has(plain.host) ? plain : URL.parse(`https://${host}${path}`)
    // The grammar accepts some invalid hosts: a port above 65535, 1.2.3.999.
    if (!url) throw new RegistryError('Blocked', `${host} is no host`)
    return url
  }
}

/** Hosts as {@link URL} formats them for plain HTTP: lower case, without port 80. */
function urlHosts(hosts: ReadonlySet<string> = new Set()): ReadonlySet<string> {
  return new Set([...hosts].map(host => new URL(`http://${host}/`).host))
}

/** Login portals and proxies also answer 200. */
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
