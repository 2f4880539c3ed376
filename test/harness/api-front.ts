import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import https from 'node:https'

/** A request that reached the front. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  /** Milliseconds on the monotonic clock. */
  readonly at: number
}

/** An answer that replaces the API server's answer. */
export interface FrontAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** The answer never ends, like the answer of a watch. */
  readonly open?: boolean
}

/** Decides about a request: an answer of the front, or undefined to forward it. */
export type FrontRule = (request: SeenRequest) => FrontAnswer | undefined

/** Address of the API server and the admin's credentials (paths of PEM files). */
export interface FrontTarget {
  readonly server: string
  readonly ca: string
  readonly cert: string
  readonly key: string
  /** Certificate and key of the front, for 127.0.0.1. */
  readonly serverCert: string
  readonly serverKey: string
}

/**
 * An HTTPS server in front of the API server, with faults that a test sets. It forwards requests as the admin
 * and records them.
 */
export class ApiFront implements AsyncDisposable {
  readonly url: string
  readonly seen: SeenRequest[] = []
  /** Decides about each request. By default all are forwarded. */
  rule: FrontRule = () => undefined
  readonly #server: https.Server
  readonly #target: FrontTarget
  readonly #agent: https.Agent

  private constructor(server: https.Server, port: number, target: FrontTarget) {
    this.url = `https://127.0.0.1:${port}`
    this.#server = server
    this.#target = target
    this.#agent = new https.Agent({
      keepAlive: true,
      ca: readFileSync(target.ca),
      cert: readFileSync(target.cert),
      key: readFileSync(target.key),
    })
    server.on('request', (request: IncomingMessage, response: ServerResponse) =>
      this.#handle(request, response),
    )
  }

  static async start(target: FrontTarget): Promise<ApiFront> {
    const server = https.createServer({
      cert: readFileSync(target.serverCert),
      key: readFileSync(target.serverKey),
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port')
    return new ApiFront(server, address.port, target)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy()
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.url)
    const seen: SeenRequest = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      at: performance.now(),
    }
    this.seen.push(seen)
    const verdict = this.rule(seen)
    if (verdict !== undefined) {
      request.resume()
      response.writeHead(verdict.status, verdict.headers)
      if (verdict.open) response.write(verdict.body ?? '')
      else response.end(verdict.body)
      return
    }
    const outgoing = https.request(
      `${this.#target.server}${request.url}`,
      { method: request.method, headers: request.headers, agent: this.#agent },
      answer => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        // Send the head of a watch at once, without waiting for its first event.
        response.flushHeaders()
        answer.pipe(response)
        answer.on('error', () => response.destroy())
      },
    )
    outgoing.on('error', () => response.destroy())
    response.on('close', () => outgoing.destroy())
    request.pipe(outgoing)
  }
}
