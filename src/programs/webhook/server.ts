import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../../kube/index.ts'
import { type AdmissionRequest, answerReview, ReviewError, type AdmissionResponse } from './admission.ts'
import { BodyReader, RequestError } from './body.ts'
import type { ServingCertificate } from './certificate/source.ts'

/** Functions that review requests, by path. */
export type Reviewers = Readonly<Record<string, (request: AdmissionRequest) => AdmissionResponse>>

/** Time in which a request must arrive. The API server waits 5 s for a response. */
const REQUEST_TIMEOUT_MS = 10_000
/** Longer than the idle time of the API server's connections (90 s): the client must close first. */
const KEEP_ALIVE_MS = 120_000
const MAX_CONNECTIONS = 1000
const MIN_VERSION = 'TLSv1.2'

/** Serves reviews, `/readyz` and `/healthz` over HTTPS. Connections fail until a certificate is set. */
export class AdmissionServer {
  readonly #server: Server
  readonly #reviewers: Reviewers
  readonly #bodies = new BodyReader()
  readonly #log: Logger
  #draining = false

  constructor(reviewers: Reviewers, log: Logger) {
    this.#reviewers = reviewers
    this.#log = log
    this.#server = createServer(
      {
        minVersion: MIN_VERSION,
        requestTimeout: REQUEST_TIMEOUT_MS,
        headersTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
      },
      (request, response) => void this.#serve(request, response),
    )
    this.#server.maxConnections = MAX_CONNECTIONS
  }

  /** Port on which the server listens. 0 before. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Starts to listen. Rejects when the port is not available. */
  async listen(port: number): Promise<void> {
    this.#server.listen(port)
    await once(this.#server, 'listening')
  }

  /** Uses this certificate for new connections. Throws when it is not usable, and keeps the old one. */
  use({ certificate, key }: ServingCertificate): void {
    this.#server.setSecureContext({ cert: certificate, key, minVersion: MIN_VERSION })
  }

  /**
   * Closes the server without losing a request. It reports not ready at once and answers for `lingerMs`,
   * until Services route elsewhere. Then it accepts no connection, and running requests have `deadlineMs`.
   */
  async close({ lingerMs, deadlineMs }: { lingerMs: number; deadlineMs: number }): Promise<void> {
    this.#draining = true
    await delay(lingerMs)
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeIdleConnections()
    const timer = setTimeout(() => this.#server.closeAllConnections(), deadlineMs)
    await closed
    clearTimeout(timer)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { status, contentType, body } = await this.#answer(request)
      this.#send(response, status, contentType, body)
    } catch (error) {
      if (response.destroyed) return
      const status = statusOf(error)
      if (status >= 500) this.#log.error({ err: error, path: request.url }, 'a request failed')
      // The rest of the body is unread, so the connection cannot be reused.
      response.setHeader('connection', 'close')
      this.#send(response, status, TEXT, error instanceof Error ? error.message : String(error))
    }
  }

  async #answer(request: IncomingMessage): Promise<{ status: number; contentType: string; body: string }> {
    const path = (request.url ?? '').split('?')[0] ?? ''
    if (path === '/healthz') return { status: 200, contentType: TEXT, body: 'ok' }
    if (path === '/readyz') {
      return this.#draining
        ? { status: 503, contentType: TEXT, body: 'not ready: stopping' }
        : { status: 200, contentType: TEXT, body: 'ok' }
    }
    const decide = Object.hasOwn(this.#reviewers, path) ? this.#reviewers[path] : undefined
    if (!decide)
      throw new RequestError(404, `not found: try ${Object.keys(this.#reviewers).join(', ')} or /readyz`)
    if (request.method !== 'POST') throw new RequestError(405, 'only POST is answered here')
    const [type = ''] = (request.headers['content-type'] ?? '').split(';')
    if (type.trim().toLowerCase() !== 'application/json') {
      throw new RequestError(415, 'only application/json is read')
    }
    return {
      status: 200,
      contentType: 'application/json',
      body: answerReview(await this.#bodies.read(request), decide),
    }
  }

  #send(response: ServerResponse, status: number, contentType: string, body: string): void {
    if (this.#draining) response.setHeader('connection', 'close')
    response.writeHead(status, { 'content-type': contentType }).end(body)
  }
}

const TEXT = 'text/plain; charset=utf-8'

function statusOf(error: unknown): number {
  if (error instanceof RequestError) return error.status
  return error instanceof ReviewError ? 400 : 500
}
