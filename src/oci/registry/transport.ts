import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { AddressGuard } from './address-guard.ts'
import { RegistryError } from './registry-error.ts'

/** One HTTP request, without a body. */
export interface Question {
  readonly method: 'GET' | 'HEAD'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** Cuts the connection, also while the body is being read. */
  readonly signal: AbortSignal
}

/** Connections that a host has at most, whoever shares it as a token server or the target of redirects. */
const MAX_SOCKETS = 16
/** Idle connections are for the images of one refresh, not for the next refresh. */
const IDLE_MS = 10_000
/** Heads of answers are no longer than this; the parser cuts off what is. */
const MAX_HEAD_BYTES = 16 * 1024

const POOL: http.AgentOptions = { keepAlive: true, maxSockets: MAX_SOCKETS, timeout: IDLE_MS }

/** HTTP/1.1 and TLS on keep-alive connections, to addresses that the guard allows. Follows no redirect. */
export class Transport {
  readonly #guard: AddressGuard
  readonly #plain = new http.Agent(POOL)
  readonly #tls = new https.Agent(POOL)

  constructor(guard: AddressGuard) {
    this.#guard = guard
  }

  /** Resolves at the answer's head, whatever its status. Throws RegistryError `Blocked`, `Unavailable`, `InvalidAnswer`. */
  async send(question: Question): Promise<IncomingMessage> {
    const { url, signal } = question
    const lookup = this.#guard.lookupFor(url)
    for (;;) {
      signal.throwIfAborted()
      const options: http.RequestOptions = {
        agent: url.protocol === 'https:' ? this.#tls : this.#plain,
        // Piece by piece: a URL as a whole would bring its user and password along.
        host: url.hostname.replaceAll(/^\[|\]$/g, ''),
        port: url.port || (url.protocol === 'https:' ? 443 : 80),
        path: url.pathname + url.search,
        method: question.method,
        headers: question.headers,
        maxHeaderSize: MAX_HEAD_BYTES,
        lookup,
        signal,
      }
      const request = url.protocol === 'https:' ? https.request(options) : http.request(options)
      try {
        return await headOf(request)
      } catch (error) {
        // The server closed an idle connection just as it was used again.
        if (request.reusedSocket && codeOf(error) === 'ECONNRESET') continue
        throw toRegistryError(url, error)
      }
    }
  }

  /** Cuts all connections. */
  close(): void {
    this.#plain.destroy()
    this.#tls.destroy()
  }
}

/** What stands between a question and its answer as an error of this folder. */
export function toRegistryError(url: URL, error: unknown): RegistryError {
  if (error instanceof RegistryError) return error
  const code = codeOf(error)
  // llhttp, the parser of node:http, names its errors so.
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
    // A connection that ends early shows to whoever reads the body; without a listener it would end the process.
    response.on('error', () => {})
    resolve(response)
  })
  // Stays for the life of the request: after the head an error comes on the response, too.
  request.on('error', reject)
  request.end()
  return promise
}

function codeOf(error: unknown): string {
  const first = error instanceof AggregateError ? error.errors[0] : error
  const code: unknown = first instanceof Error && 'code' in first ? first.code : undefined
  return typeof code === 'string' ? code : 'unknown error'
}
