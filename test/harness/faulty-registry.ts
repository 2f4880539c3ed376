import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { LocalCluster } from './cluster-env.ts'
import { type Fault, STALL_BYTES, answerOf, faultOfName } from './faults.ts'
import { MemoryStore } from './memory-store.ts'
import { type NodeDoor, openNodeDoor } from './node-door.ts'
import { digestOf } from './oci.ts'
import type { BasicCredentials } from './registry.ts'

/** One request to the registry. Times are in milliseconds since the epoch. */
export interface RegistryRequest {
  readonly receivedAt: number
  /** Absent before the answer. */
  answeredAt?: number
  /** Absent before the answer. */
  status?: number
  /** Time at which the client closed the connection without an answer. */
  abandonedAt?: number
  readonly method: string
  readonly repository: string
  readonly kind: 'manifest' | 'blob' | 'other'
  /** A tag or a digest. */
  readonly reference: string
  /** Value of `User-Agent`. */
  readonly agent: string
}

const SAME_ATTEMPT_MS = 500

/** One connection to a silent registry. Times are in milliseconds since the epoch. */
export interface SilentConnection {
  readonly openedAt: number
  /** Time at which the client closed the connection. Absent while it is open. */
  closedAt?: number
}

/**
 * A registry with faults, selected by the name of a repository (see {@link faultOfName}) or set by a test.
 * Without fault it serves the images in its {@link store}. It logs each request.
 */
export class FaultyRegistry {
  /** The images that it serves. `pushImage(registry.store, 'repo:tag')` adds one. */
  readonly store = new MemoryStore()
  readonly #faults = new Map<string, Fault>()
  readonly #failuresLeft = new Map<string, number>()
  readonly #passwords = new Map<string, string>()
  readonly #log: RegistryRequest[] = []
  readonly #stop = new AbortController()
  readonly #server = createServer((incoming, outgoing) => this.#serve(incoming, outgoing))
  readonly #doors: NodeDoor[] = []

  /** Starts it on a loopback port and, with a cluster, on the address of `faulty.test.local` on its nodes. */
  static async start(cluster?: LocalCluster): Promise<FaultyRegistry> {
    const registry = new FaultyRegistry()
    await listen(registry.#server)
    try {
      if (cluster) await registry.#open(cluster, cluster.faultyRegistryAddress)
    } catch (error) {
      await registry.stop()
      throw error
    }
    return registry
  }

  /** Also opens port 80 of that address: clients use it for an insecure registry without a port. */
  async openPort80(cluster: LocalCluster): Promise<void> {
    const [host = ''] = cluster.faultyRegistryAddress.split(':')
    await this.#open(cluster, `${host}:80`)
  }

  async #open(cluster: LocalCluster, address: string): Promise<void> {
    const door = await openNodeDoor(cluster, address, socket => this.#server.emit('connection', socket))
    this.#doors.push(door)
  }

  /** Its address for programs on this machine, `http://127.0.0.1:PORT`. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** All requests, oldest first. */
  get log(): readonly RegistryRequest[] {
    return this.#log
  }

  /** The requests for one repository, oldest first. */
  requests(repository: string): RegistryRequest[] {
    return this.#log.filter(request => request.repository === repository)
  }

  /**
   * Number of attempts of a runtime to pull a tag of the repository. One failing attempt requests the digest
   * of the tag up to 10 times in a row (429; 3 times for 5xx). So requests within half a second after the
   * last answer belong to the same attempt.
   */
  attempts(repository: string): number {
    let count = 0
    let quietSince = 0
    for (const request of this.requests(repository)) {
      if (request.kind !== 'manifest' || request.reference.startsWith('sha256:')) continue
      if (request.receivedAt - quietSince >= SAME_ATTEMPT_MS) count += 1
      quietSince = request.answeredAt ?? request.abandonedAt ?? Number.POSITIVE_INFINITY
    }
    return count
  }

  /** Number of transfers of the repository's blobs: 0 when the runtime had all of them. */
  downloads(repository: string): number {
    return this.requests(repository).filter(
      request => request.kind === 'blob' && request.method === 'GET' && request.status === 200,
    ).length
  }

  /** Sets the fault of a repository, whatever its name. */
  setFault(repository: string, fault: Fault): void {
    this.#faults.set(repository, fault)
    this.#failuresLeft.delete(repository)
  }

  /** Requires the password for a repository from now on. */
  protect(repository: string, { username, password }: BasicCredentials): void {
    const basic = Buffer.from(`${username}:${password}`).toString('base64')
    this.#passwords.set(repository, `Basic ${basic}`)
  }

  /** Stops it and closes all its connections. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#doors.map(door => door.close()))
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    this.#server.closeAllConnections()
    await promise
  }

  #serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const request = parseRequest(incoming)
    this.#log.push(request)
    outgoing.on('finish', () => {
      request.answeredAt = Date.now()
      request.status = outgoing.statusCode
    })
    outgoing.on('close', () => {
      if (!outgoing.writableFinished) request.abandonedAt = Date.now()
    })
    incoming.resume()
    const password = this.#passwords.get(request.repository)
    if (password !== undefined && incoming.headers.authorization !== password) {
      outgoing.writeHead(401, { 'www-authenticate': 'Basic realm="faulty"', 'content-length': '0' }).end()
      return
    }
    this.#answer(request, outgoing).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) outgoing.destroy(error instanceof Error ? error : undefined)
    })
  }

  async #answer(request: RegistryRequest, outgoing: ServerResponse): Promise<void> {
    const send = (status: number, headers: Record<string, string>, body: Buffer) => {
      outgoing.writeHead(status, { ...headers, 'content-length': String(body.length) })
      outgoing.end(request.method === 'HEAD' ? undefined : body)
    }
    if (request.kind === 'other') return send(200, {}, Buffer.from('{}'))
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(405, {}, Buffer.alloc(0))

    const fault = this.#faults.get(request.repository) ?? faultOfName(request.repository)
    if (fault.kind === 'hang') return
    if (fault.kind === 'slow') await delay(fault.delayMs, undefined, { signal: this.#stop.signal })
    const instead =
      fault.kind === 'flaky' && !this.#failsNow(request, fault.failures) ? undefined : answerOf(fault.kind)
    if (instead) {
      const body = Buffer.from(instead.body)
      return send(instead.status, { ...instead.headers, ...contentDigest(instead.status, body) }, body)
    }
    if (request.kind === 'manifest') {
      const manifest = this.store.manifest(request.repository, request.reference)
      if (!manifest) return send(404, JSON_TYPE, notFound('MANIFEST_UNKNOWN', 'manifest unknown'))
      const headers = { 'content-type': manifest.mediaType, 'docker-content-digest': manifest.digest }
      return send(200, headers, manifest.content)
    }
    const blob = this.store.blob(request.reference)
    if (!blob) return send(404, JSON_TYPE, notFound('BLOB_UNKNOWN', 'blob unknown to registry'))
    const headers = { 'content-type': 'application/octet-stream', 'docker-content-digest': request.reference }
    if (fault.kind === 'stall' && request.method === 'GET' && blob.length > STALL_BYTES) {
      outgoing.writeHead(200, { ...headers, 'content-length': String(blob.length) })
      outgoing.write(blob.subarray(0, STALL_BYTES))
      return
    }
    send(200, headers, blob)
  }

  #failsNow(request: RegistryRequest, failures: number): boolean {
    if (request.kind !== 'manifest') return false
    const left = this.#failuresLeft.get(request.repository) ?? failures
    this.#failuresLeft.set(request.repository, left - 1)
    return left > 0
  }
}

/** A registry that accepts connections of nodes as `silent.test.local` and never answers. */
export class SilentRegistry {
  /** All connections, oldest first. */
  readonly connections: SilentConnection[] = []
  readonly #door: Promise<NodeDoor>

  private constructor(cluster: LocalCluster) {
    this.#door = openNodeDoor(cluster, cluster.silentRegistryAddress, socket => {
      const connection: SilentConnection = { openedAt: Date.now() }
      this.connections.push(connection)
      socket.on('close', () => {
        connection.closedAt = Date.now()
      })
      socket.resume()
    })
  }

  /** Starts it. */
  static async start(cluster: LocalCluster): Promise<SilentRegistry> {
    const registry = new SilentRegistry(cluster)
    await registry.#door
    return registry
  }

  /** Stops it and closes all its connections. */
  async stop(): Promise<void> {
    await (await this.#door).close()
  }
}

const JSON_TYPE = { 'content-type': 'application/json' }

function notFound(code: string, message: string): Buffer {
  return Buffer.from(`${JSON.stringify({ errors: [{ code, message }] })}\n`)
}

/**
 * Registries send the digest of the served content. For a HEAD request it is the client's only source of the
 * digest.
 */
function contentDigest(status: number, body: Buffer): Record<string, string> {
  return status === 200 ? { 'docker-content-digest': digestOf(body) } : {}
}

function parseRequest(incoming: IncomingMessage): RegistryRequest {
  const path = (incoming.url ?? '').split('?')[0] ?? ''
  const match = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(path)
  return {
    receivedAt: Date.now(),
    method: incoming.method ?? '',
    repository: match?.[1] ?? '',
    kind: match?.[2] === 'manifests' ? 'manifest' : match?.[2] === 'blobs' ? 'blob' : 'other',
    reference: match?.[3] ?? path,
    agent: incoming.headers['user-agent'] ?? '',
  }
}

async function listen(server: Server): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(0, '127.0.0.1', () => resolve())
  await promise
}
