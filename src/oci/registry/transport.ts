import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { AddressGuard } from './address-guard.ts'
import { RegistryError } from './registry-error.ts'

/** One HTTP request, without a body. */
export interface TransportRequest {
  readonly method: 'GET' | 'HEAD'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** Closes the connection, also while the body is read. */
  readonly signal: AbortSignal
}

/** Connections per host. Requests to token servers and redirect targets share them. */
const MAX_SOCKETS = 16
/** Idle connections serve the images of one refresh. They do not stay open until the next refresh. */
const IDLE_MS = 10_000
/** Longest head of an answer. The parser rejects a longer one. */
const MAX_HEAD_BYTES = 16 * 1024

const POOL: http.AgentOptions = { keepAlive: true, maxSockets: MAX_SOCKETS, timeout: IDLE_MS }

/**
 * HTTP/1.1 and TLS over keep-alive connections, to addresses that the guard allows. It follows no redirect.
 */
export class Transport {
  readonly #guard: AddressGuard
  readonly #plain = new http.Agent(POOL)
  readonly #tls = new https.Agent(POOL)

  constructor(guard: AddressGuard) {
    this.#guard = guard
  }

  /**
   * Resolves when the head of the answer arrives, for any status. Throws RegistryError `Blocked`,
   * `Unavailable`, `InvalidAnswer`.
   */
  async send(request: TransportRequest): Promise<IncomingMessage> {
    const { url, signal } = request
    const lookup = this.#guard.lookupFor(url)
    for (;;) {
      signal.throwIfAborted()
      const options: http.RequestOptions = {
        agent: url.protocol === 'https:' ? this.#tls : this.#plain,
        // Set each part: a whole URL would also pass its user and password.
        host: url.hostname.replaceAll(/^\[|\]$/g, ''),
        port: url.port || (url.protocol === 'https:' ? 443 : 80),
        path: url.pathname + url.search,
        method: request.method,
        headers: request.headers,
        maxHeaderSize: MAX_HEAD_BYTES,
        lookup,
        signal,
      }
      const outgoing = url.protocol === 'https:' ? https.request(options) : http.request(options)
      try {
        return await headOf(outgoing)
      } catch (error) {
        // The server closed an idle connection at the moment of its reuse.
        if (outgoing.reusedSocket && codeOf(error) === 'ECONNRESET') continue
        throw toRegistryError(url, error)
      }
    }
  }

  /** Closes all connections. */
  close(): void {
    this.#plain.destroy()
    this.#tls.destroy()
  }
}

/** Converts an error of a request to a RegistryError. */
export function toRegistryError(url: URL, error: unknown): RegistryError {
  if (error instanceof RegistryError) return error
  const code = codeOf(error)
  // Prefix of the errors of llhttp, the parser of node:http.
  if (code.startsWith('HPE_')) {
    return new RegistryError('InvalidAnswer', `${url.host} does not speak HTTP/1.1 (${code})`, {
      cause: error,
    })
  }
  return new RegistryError('Unavailable', `no connection to ${url.host} (${code})`, { cause: error })
}

function headOf(request: http.ClientRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  request.once('response', response => {
    // The reader of the body sees a connection that breaks. Without a listener the error would end the
    // process.
    response.on('error', () => {})
    resolve(response)
  })
  // Stays for the life of the request: after the head, errors also come from the response.
  request.on('error', reject)
  request.end()
  return promise
}

function codeOf(error: unknown): string {
  const first = error instanceof AggregateError ? error.errors[0] : error
  const code: unknown = first instanceof Error && 'code' in first ? first.code : undefined
  return typeof code === 'string' ? code : 'unknown error'
}
