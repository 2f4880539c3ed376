import { mkdtemp, readFile, rm } from 'node:fs/promises'
import net from 'node:net'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '../../harness/eventually.ts'
import { ServerProcess } from '../../harness/process.ts'

const MAIN = join(import.meta.dirname, '../../../src/main.ts')

/** A webhook server as its own process. */
export class WebhookProcess implements AsyncDisposable {
  readonly port: number
  readonly #process: ServerProcess
  readonly #directory: string

  private constructor(process: ServerProcess, directory: string, port: number) {
    this.#process = process
    this.#directory = directory
    this.port = port
  }

  /** Starts one on a free port and waits until it serves. */
  static async start(...args: string[]): Promise<WebhookProcess> {
    const directory = await mkdtemp(join(tmpdir(), 'webhook-'))
    const log = join(directory, 'log')
    const argv = [MAIN, 'webhook-server', '--port=0', ...args]
    const child = new ServerProcess('webhook-server', process.execPath, argv, log)
    try {
      const port = await eventually('the webhook server to serve', async () => {
        const port = /"port":(\d+)/.exec(await readFile(log, 'utf8'))?.[1]
        if (port === undefined && !child.running) throw new Error(child.logTail())
        return port
      })
      return new WebhookProcess(child, directory, Number(port))
    } catch (error) {
      await child.end('SIGKILL')
      throw new Error(`the webhook server does not serve:\n${child.logTail()}`, { cause: error })
    }
  }

  /** Stops it and waits until it has ended. */
  async end(): Promise<void> {
    await this.#process.end('SIGTERM', 30_000)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.end('SIGKILL')
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/**
 * A Service: a port that forwards to the ready servers in turn. It checks readiness every half second, more
 * often than a kubelet.
 */
export class ServiceFront implements AsyncDisposable {
  readonly port: number
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()
  readonly #stop = new AbortController()
  readonly #looking: Promise<void>
  #ready: readonly number[]
  #next = 0

  private constructor(server: net.Server, port: number, backends: readonly number[]) {
    this.port = port
    this.#server = server
    this.#ready = backends
    server.on('connection', socket => this.#lead(socket))
    this.#looking = this.#look(backends)
  }

  static async start(...backends: number[]): Promise<ServiceFront> {
    const server = net.createServer()
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port')
    return new ServiceFront(server, address.port, backends)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await this.#looking
  }

  #lead(inbound: net.Socket): void {
    const port = this.#ready[this.#next++ % Math.max(this.#ready.length, 1)]
    if (port === undefined) {
      inbound.destroy()
      return
    }
    const outbound = net.connect(port, '127.0.0.1')
    for (const [socket, other] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      this.#sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => this.#sockets.delete(socket))
      socket.pipe(other)
    }
  }

  async #look(backends: readonly number[]): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const answers = await Promise.all(backends.map(isReady))
      this.#ready = backends.filter((_, index) => answers[index])
      await delay(500, undefined, { signal: this.#stop.signal }).catch(() => {})
    }
  }
}

function isReady(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const options = {
      host: '127.0.0.1',
      port,
      path: '/readyz',
      rejectUnauthorized: false,
      timeout: 2000,
      agent: false,
    }
    const request = https.get(options, response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(false))
  })
}
