import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'

/** One request to the server. */
export interface Received {
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly authorization: string | undefined
  readonly headers: http.IncomingHttpHeaders
}

/** Answers a request. */
export type Script = (request: Received, response: ServerResponse) => void

/** An HTTP server on a loopback port that answers by a script and records its requests. */
export class ScriptedServer {
  /** All requests, oldest first. */
  readonly received: Received[] = []
  /** Greatest number of unanswered requests at one time, so far. */
  mostAtOnce = 0
  #script: Script
  #open = 0
  readonly #scheme: 'http' | 'https'
  readonly #server: http.Server

  private constructor(script: Script, tls?: { key: string; cert: string }) {
    const serve = (incoming: IncomingMessage, outgoing: ServerResponse) => this.#serve(incoming, outgoing)
    this.#script = script
    this.#scheme = tls ? 'https' : 'http'
    this.#server = tls ? https.createServer(tls, serve) : http.createServer(serve)
  }

  /** Starts it. Uses TLS when key and certificate are given, in PEM. */
  static async start(script: Script, tls?: { key: string; cert: string }): Promise<ScriptedServer> {
    const server = new ScriptedServer(script, tls)
    await new Promise<void>(resolve => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** `127.0.0.1:PORT`. */
  get host(): string {
    return `127.0.0.1:${this.port}`
  }

  get url(): string {
    return `${this.#scheme}://${this.host}`
  }

  /** Sets the script from now on. */
  answerBy(script: Script): void {
    this.#script = script
  }

  /** Stops it and closes all its connections. */
  async stop(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  #serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const request: Received = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      authorization: incoming.headers.authorization,
      headers: incoming.headers,
    }
    this.received.push(request)
    this.#open += 1
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#open)
    outgoing.once('close', () => {
      this.#open -= 1
    })
    this.#script(request, outgoing)
  }
}

/** A digest without content. */
export const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`
export const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json'

/** Answers like a registry that has every image, with {@link DIGEST}. */
export const serveDigest: Script = (_, response) => {
  // With a length, as registries send: Node does not keep a connection after a HEAD answer without it.
  const headers = { 'content-type': INDEX_TYPE, 'docker-content-digest': DIGEST, 'content-length': '2' }
  response.writeHead(200, headers).end('{}')
}

/** A script that answers each request with this status and these headers. */
export function status(code: number, headers: http.OutgoingHttpHeaders = {}, body = ''): Script {
  return (_, response) => {
    response.writeHead(code, headers).end(body)
  }
}
