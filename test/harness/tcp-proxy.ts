import { once } from 'node:events'
import net from 'node:net'

/** A loopback port that leads to another, where a test can break the line. */
export class TcpProxy implements AsyncDisposable {
  /** Where it listens. */
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

  /** Listens on a free port of 127.0.0.1 and leads to `targetPort` there. */
  static async start(targetPort: number): Promise<TcpProxy> {
    const server = net.createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port')
    return new TcpProxy(server, address.port, targetPort)
  }

  /** Connections that are open through it. */
  get connections(): number {
    return this.#pairs.size
  }

  /** Connections that were opened so far. */
  get accepted(): number {
    return this.#accepted
  }

  /** Resets every open connection; new ones get through. */
  cut(): void {
    for (const [inbound, outbound] of this.#pairs) {
      inbound.resetAndDestroy()
      outbound.destroy()
    }
  }

  /** Resets every open connection and every new one, until `allow`. */
  block(): void {
    this.#refusing = true
    this.cut()
  }

  allow(): void {
    this.#refusing = false
  }

  /** Open connections stay open but carry nothing any more, as if a cable had been pulled; new ones get through. */
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
    // A line that a test breaks shows as errors on both sides; the ends learn of it by the close.
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
