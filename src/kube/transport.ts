import http from 'node:http'
import https from 'node:https'
import tls from 'node:tls'
import type { ClusterConfig } from './cluster-config.ts'
import type { Credential } from './credentials.ts'
import { KubeError } from './errors.ts'
import { abortedError } from './wait.ts'

/** One HTTP request to the API server. */
export interface TransportRequest {
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer
  readonly credential: Credential
  /** Uses other connections than the requests without this. */
  readonly ownConnections: boolean
  /** Each of them aborts the request. */
  readonly signals: readonly AbortSignal[]
  /** Milliseconds until the head of the answer must arrive. */
  readonly headTimeoutMs: number
  /** Milliseconds until the answer must end, counted from the start of the request. */
  readonly totalTimeoutMs: number
  /** Longest time without a byte after the head, in milliseconds. */
  readonly silenceTimeoutMs?: number
}

/**
 * An answer whose head has arrived. Iterate the body to read it. Leaving the iteration early closes the
 * connection.
 */
export interface TransportResponse {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: AsyncIterable<Buffer>
}

/**
 * An idle connection is closed after this time, before the API server closes it (90 s). So a request seldom
 * uses a connection that is just being closed.
 */
const IDLE_CONNECTION_MS = 60_000
/** TCP keep-alive probes start after this much silence. They detect a peer that vanished. */
const TCP_KEEPALIVE_MS = 15_000
/** More connections than all informers and workers of a process use together. */
const MAX_CONNECTIONS = 256

/** The connections of most requests, and those of requests with `ownConnections`. */
interface Pools {
  readonly shared: http.Agent
  readonly own: http.Agent
}

/**
 * HTTP/1.1 over keep-alive connections that share one TLS context. One context per connection costs 30 MB in
 * 5 000 reconnects. A new client certificate starts new connection pools. The old connections close after
 * their last request.
 */
export class Transport {
  readonly #config: ClusterConfig
  readonly #url: URL
  #pools: Pools | undefined
  #poolsCredential: Credential = {}

  constructor(config: ClusterConfig) {
    this.#config = config
    this.#url = new URL(config.server)
  }

  /**
   * Sends a request and resolves when the head of the answer arrives, for any status. Throws KubeError
   * `Unreachable`, `Timeout`, `Aborted`.
   */
  send(request: TransportRequest): Promise<TransportResponse> {
    const { signals } = request
    const what = `${request.method} ${request.path}`
    const fired = () => signals.find(signal => signal.aborted) ?? AbortSignal.abort()
    if (signals.some(signal => signal.aborted)) return Promise.reject(abortedError(fired(), what))
    return new Promise((resolve, reject) => {
      const outgoing = this.#open(request)
      let incoming: http.IncomingMessage | undefined
      let failure: KubeError | undefined
      const fail = (error: KubeError) => {
        failure ??= error
        outgoing.destroy(error)
        incoming?.destroy(error)
      }
      const timedOut = (ms: number, missing: string) =>
        fail(new KubeError('Timeout', `no ${missing} within ${ms / 1000} s (${what})`))
      const head = setTimeout(timedOut, request.headTimeoutMs, request.headTimeoutMs, 'answer')
      const total = setTimeout(timedOut, request.totalTimeoutMs, request.totalTimeoutMs, 'end of the answer')
      let silence: NodeJS.Timeout | undefined
      const onAbort = () => fail(abortedError(fired(), what))
      for (const signal of signals) signal.addEventListener('abort', onAbort, { once: true })
      const settle = () => {
        clearTimeout(head)
        clearTimeout(total)
        clearTimeout(silence)
        for (const signal of signals) signal.removeEventListener('abort', onAbort)
      }

      outgoing.on('error', cause => {
        settle()
        reject(failure ?? unreachable(what, cause))
      })
      outgoing.on('response', response => {
        incoming = response
        clearTimeout(head)
        const { silenceTimeoutMs } = request
        if (silenceTimeoutMs !== undefined) {
          silence = setTimeout(timedOut, silenceTimeoutMs, silenceTimeoutMs, 'byte')
        }
        response.once('close', settle)
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: readBody(
            response,
            what,
            () => silence?.refresh(),
            () => failure,
          ),
        })
      })
      outgoing.end(request.body)
    })
  }

  /** Closes all connections. */
  close(): void {
    this.#pools?.shared.destroy()
    this.#pools?.own.destroy()
  }

  #open(request: TransportRequest): http.ClientRequest {
    const url = this.#url
    const pools = this.#poolsFor(request.credential)
    const options: http.RequestOptions = {
      agent: request.ownConnections ? pools.own : pools.shared,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port || (url.protocol === 'https:' ? 443 : 80),
      method: request.method,
      path: url.pathname.replace(/\/$/, '') + request.path,
      headers: {
        ...request.headers,
        ...(request.credential.token ? { authorization: `Bearer ${request.credential.token}` } : {}),
        ...(request.body ? { 'content-length': String(request.body.byteLength) } : {}),
      },
    }
    const outgoing = url.protocol === 'https:' ? https.request(options) : http.request(options)
    outgoing.setSocketKeepAlive(true, TCP_KEEPALIVE_MS)
    outgoing.setNoDelay(true)
    return outgoing
  }

  #poolsFor(credential: Credential): Pools {
    const { cert, key } = this.#poolsCredential
    if (this.#pools && credential.cert === cert && credential.key === key) return this.#pools
    this.#poolsCredential = credential
    this.#pools = this.#newPools(credential)
    return this.#pools
  }

  #newPools(credential: Credential): Pools {
    const pool = { keepAlive: true, maxSockets: MAX_CONNECTIONS, timeout: IDLE_CONNECTION_MS }
    if (this.#url.protocol !== 'https:') return { shared: new http.Agent(pool), own: new http.Agent(pool) }
    const { insecureSkipTlsVerify, tlsServerName } = this.#config
    const options = {
      ...pool,
      secureContext: this.#secureContext(credential),
      rejectUnauthorized: insecureSkipTlsVerify !== true,
      ...(tlsServerName === undefined ? {} : { servername: tlsServerName }),
    }
    return { shared: new https.Agent(options), own: new https.Agent(options) }
  }

  #secureContext({ cert, key }: Credential): tls.SecureContext {
    const { ca } = this.#config
    try {
      return tls.createSecureContext({
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      })
    } catch (cause) {
      throw new KubeError(
        'Unexpected',
        `the CA or client certificate for ${this.#config.server} is not usable PEM`,
        { cause },
      )
    }
  }
}

async function* readBody(
  response: http.IncomingMessage,
  what: string,
  onBytes: () => void,
  failure: () => KubeError | undefined,
): AsyncGenerator<Buffer, void, void> {
  try {
    for await (const chunk of response) {
      onBytes()
      yield chunk
    }
  } catch (cause) {
    throw failure() ?? (cause instanceof KubeError ? cause : unreachable(what, cause))
  }
}

function unreachable(what: string, cause: unknown): KubeError {
  const words = cause instanceof AggregateError ? String(cause.errors[0]) : String(cause)
  return new KubeError('Unreachable', `${words} (${what})`, { cause })
}
