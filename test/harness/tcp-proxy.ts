import { once } from 'node:events'
import net from 'node:net'

/** A loopback port that forwards to another port. A test can break its connections. */
export class TcpProxy implements AsyncDisposable {
  /** The port on which it listens. */
  readonly port: number
  readonly #server: net.Server
  readonly #pairs = new Set<readonly [net.Socket, net.Socket]>()
  #refusing = false
  #accepted = 0

  private constructor(server: net.Server, port: number, targetPort: number) {
    this.#server = server
    this.port = port
    server.on('connection', inbound => this.#join(inbound, targetPort))
  }

  /** Listens on a free port of 127.0.0.1 and forwards to `targetPort` of 127.0.0.1. */
  static async start(targetPort: number): Promise<TcpProxy> {
    const server = net.createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port')
    return new TcpProxy(server, address.port, targetPort)
  }

  /** Number of open connections. */
  get connections(): number {
    return this.#pairs.size
  }

  /** Number of connections so far. */
  get accepted(): number {
    return this.#accepted
  }

  /** Resets all open connections. New ones are forwarded. */
  cut(): void {
    for (const [inbound, outbound] of this.#pairs) {
      inbound.resetAndDestroy()
      outbound.destroy()
    }
  }

  /** Resets all open and new connections, until `allow` is called. */
  block(): void {
    this.#refusing = true
    this.cut()
  }

  allow(): void {
    this.#refusing = false
  }

  /** Keeps open connections without data, like an unplugged cable. New ones are forwarded. */
  silence(): void {
    for (const [inbound, outbound] of this.#pairs) {
      inbound.unpipe(outbound)
      outbound.unpipe(inbound)
      inbound.resume()
      outbound.resume()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.block()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(inbound: net.Socket, targetPort: number): void {
    // A broken connection gives errors on both sides. The ends notice the close.
    inbound.on('error', () => inbound.destroy())
    if (this.#refusing) {
      inbound.resetAndDestroy()
      return
    }
    this.#accepted++
    const outbound = net.connect(targetPort, '127.0.0.1')
    outbound.on('error', () => outbound.destroy())
    const pair = [inbound, outbound] as const
    this.#pairs.add(pair)
    inbound.pipe(outbound)
    outbound.pipe(inbound)
    const part = () => {
      this.#pairs.delete(pair)
      inbound.destroy()
      outbound.destroy()
    }
    inbound.once('close', part)
    outbound.once('close', part)
  }
}
