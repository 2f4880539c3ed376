import type { KubeObject } from './object.ts'
import type { ClusterConfig } from './cluster-config.ts'
import type { Credential } from './credentials.ts'
import { errorFromAnswer, isKubeError, KubeError } from './errors.ts'
import { Resource, type ResourceDef, type ResourceOptions } from './resource.ts'
import { ServerClock } from './server-clock.ts'
import { leaseLost, type Term } from './term.ts'
import { TokenBucket } from './token-bucket.ts'
import { isSliceOver, nextTurn } from '../base/time-slice.ts'
import { Transport, type TransportResponse } from './transport.ts'
import { sleep } from './wait.ts'

/** Verb of a request, as the API server names it in authorization, audit logs and metrics. */
export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete'

/** A request to any path of the API server. */
export interface KubeRequest {
  readonly verb: Verb
  /** Absolute path without query. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  /** Sent as JSON. */
  readonly body?: unknown
  /** Default `application/json`. */
  readonly contentType?: string
  readonly signal?: AbortSignal | undefined
  /** Milliseconds for one attempt; default the client's. */
  readonly timeoutMs?: number
  /** Greatest number of retries; default 5. */
  readonly retries?: number
  /**
   * A request for the leader's Lease. It waits for no other request: it skips the rate limit and has
   * connections of its own. It may be a write outside a leader's term.
   */
  readonly forLease?: boolean
}

/** A watch: a request whose answer has no fixed end. */
export interface KubeStreamRequest extends KubeRequest {
  /** Longest time without a byte, in milliseconds. After it the watch fails. */
  readonly silenceTimeoutMs: number
}

/** Settings of a client. */
export interface KubeClientOptions {
  /** Average requests per second; default 50. */
  readonly qps?: number
  /** Requests that may be sent at once; default 100. */
  readonly burst?: number
  readonly userAgent?: string
  /** Milliseconds for one attempt of a request; default 30 000. */
  readonly timeoutMs?: number
}

const METHOD_BY_VERB: Readonly<Record<Verb, string>> = {
  get: 'GET',
  list: 'GET',
  watch: 'GET',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
}

const WRITES: ReadonlySet<Verb> = new Set(['create', 'update', 'patch', 'delete'])

const DEFAULT_TIMEOUT_MS = 30_000
const DEFAULT_RETRIES = 5
/** The client waits for a `Retry-After` up to this. With a longer one the request fails. */
const MAX_RETRY_AFTER_MS = 30_000
/** The API server itself sends `Retry-After: 1`. This is for a proxy that sends none. */
const DEFAULT_RETRY_AFTER_MS = 1000
/** Wait before the first retry of a broken connection. It doubles for each further retry. */
const RECONNECT_BASE_MS = 50
/** Limit for an answer. A page of 500 large objects is far smaller. */
const MAX_BODY_BYTES = 256 * 1024 * 1024

/**
 * A client of one API server: credentials, client-side rate limit, time-outs, bounded retries, errors with a
 * closed set of codes.
 *
 * A request is retried after 429, for every verb, because the server did nothing yet. It is retried once with
 * a fresh credential after 401. Unless it creates an object, it is also retried after 503 and after a broken
 * connection.
 */
export class KubeClient {
  readonly #transport: Transport
  readonly #clock = new ServerClock()
  #term: Term | undefined
  readonly #config: ClusterConfig
  readonly #limiter: TokenBucket
  readonly #userAgent: string
  readonly #timeoutMs: number
  readonly #counts: Record<Verb, number> = {
    get: 0,
    list: 0,
    watch: 0,
    create: 0,
    update: 0,
    patch: 0,
    delete: 0,
  }
  #closed = false

  constructor(config: ClusterConfig, options: KubeClientOptions = {}) {
    this.#config = config
    this.#transport = new Transport(config)
    this.#limiter = new TokenBucket(options.qps ?? 50, options.burst ?? 100)
    this.#userAgent = options.userAgent ?? 'kubefledged'
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
  }

  /** HTTP requests sent so far, with retries. */
  get requestCount(): Readonly<Record<Verb, number>> {
    return this.#counts
  }

  /**
   * The API server's time, in milliseconds since the epoch. Creation times of objects are compared with it.
   * When it differs by less than two seconds from our clock, our clock is used.
   */
  now(): number {
    return this.#clock.now()
  }

  /**
   * Allows writes only during this term. When it is over, writes reject with KubeError `LeaseLost`, also
   * those under way. Requests for the Lease are allowed.
   */
  writeOnlyDuring(term: Term): void {
    this.#term = term
  }

  /** Typed operations on one kind of object. */
  resource<T extends KubeObject>(def: ResourceDef, options?: ResourceOptions): Resource<T> {
    return new Resource<T>(this, def, options)
  }

  /** Sends a request and parses the JSON answer. Undefined for an empty answer. Throws KubeError. */
  async request<T>(request: KubeRequest): Promise<T> {
    const what = describe(request)
    const response = await this.#send(request, request.timeoutMs ?? this.#timeoutMs)
    const answer = parseBody(await readText(response, what), what) as T
    // Many answers may arrive in one turn. The work that waits for each of them takes time.
    while (!request.forLease && isSliceOver()) await nextTurn()
    return answer
  }

  /**
   * Sends a request and returns the bytes of the answer as they arrive. Throws KubeError, also while they are
   * read.
   */
  async stream(request: KubeStreamRequest): Promise<AsyncIterable<Buffer>> {
    const response = await this.#send(request, this.#timeoutMs, request.silenceTimeoutMs)
    return response.body
  }

  /** The server's version, from `/version`. */
  async serverVersion(
    signal?: AbortSignal,
  ): Promise<{ readonly major: number; readonly minor: number; readonly gitVersion: string }> {
    const version = await this.request<{ major: string; minor: string; gitVersion: string }>({
      verb: 'get',
      path: '/version',
      signal,
    })
    // Some vendors write "30+".
    const major = Number.parseInt(version.major, 10)
    const minor = Number.parseInt(version.minor, 10)
    if (Number.isNaN(major) || Number.isNaN(minor)) {
      throw new KubeError(
        'Unexpected',
        `cannot read the server's version "${version.major}.${version.minor}"`,
      )
    }
    return { major, minor, gitVersion: version.gitVersion }
  }

  /** Closes all connections. Later requests fail. */
  close(): void {
    this.#closed = true
    this.#transport.close()
  }

  async #send(
    request: KubeRequest,
    headTimeoutMs: number,
    silenceTimeoutMs?: number,
  ): Promise<TransportResponse> {
    const what = describe(request)
    const retries = request.retries ?? DEFAULT_RETRIES
    let refreshed = false
    for (let attempt = 0; ; attempt++) {
      if (this.#closed) throw new KubeError('Aborted', `the client is closed (${what})`)
      if (!request.forLease) await this.#limiter.take(request.signal)
      const credential = await this.#config.credentials.get()
      const term = WRITES.has(request.verb) && !request.forLease ? this.#term : undefined
      if (term?.isOver) throw leaseLost(what)
      let error: KubeError
      const sentAt = performance.now()
      try {
        const response = await this.#attempt(request, { credential, term }, headTimeoutMs, silenceTimeoutMs)
        this.#clock.note(response.headers.date, sentAt)
        if (response.status >= 200 && response.status < 300) return response
        error = errorFromAnswer(
          what,
          response.status,
          await readText(response, what),
          response.headers['retry-after'],
        )
      } catch (cause) {
        if (!isKubeError(cause)) throw cause
        error = cause
      }
      if (error.status === 401 && !refreshed) {
        refreshed = true
        this.#config.credentials.invalidate(credential)
        continue
      }
      const waitMs = retryDelay(request.verb, error, attempt)
      if (waitMs === undefined || attempt >= retries) throw error
      await sleep(waitMs, request.signal)
    }
  }

  #attempt(
    request: KubeRequest,
    { credential, term }: { readonly credential: Credential; readonly term: Term | undefined },
    headTimeoutMs: number,
    silenceTimeoutMs: number | undefined,
  ): Promise<TransportResponse> {
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body))
    this.#counts[request.verb]++
    return this.#transport.send({
      method: METHOD_BY_VERB[request.verb],
      path: request.path + queryString(request.query),
      headers: {
        accept: 'application/json',
        'user-agent': this.#userAgent,
        ...(body ? { 'content-type': request.contentType ?? 'application/json' } : {}),
      },
      credential,
      ownConnections: request.forLease ?? false,
      signals: [request.signal, term?.signal].filter(signal => signal !== undefined),
      headTimeoutMs,
      ...(body ? { body } : {}),
      ...(silenceTimeoutMs === undefined
        ? { totalTimeoutMs: headTimeoutMs }
        : { totalTimeoutMs: request.timeoutMs ?? headTimeoutMs, silenceTimeoutMs }),
    })
  }
}

function retryDelay(verb: Verb, error: KubeError, attempt: number): number | undefined {
  if (error.retryAfterMs !== undefined && error.retryAfterMs > MAX_RETRY_AFTER_MS) return undefined
  if (error.status === 429) return error.retryAfterMs ?? DEFAULT_RETRY_AFTER_MS
  if (verb === 'create') return undefined
  if (error.status === 503) return error.retryAfterMs ?? DEFAULT_RETRY_AFTER_MS
  // Two retries are enough for a stale connection. The caller waits for a server that is down.
  if (error.code === 'Unreachable' && attempt < 2) return RECONNECT_BASE_MS * 2 ** attempt
  return undefined
}

function describe(request: KubeRequest): string {
  return `${request.verb} ${request.path}`
}

function queryString(query: KubeRequest['query']): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== '') parameters.set(name, String(value))
  }
  const text = parameters.toString()
  return text === '' ? '' : `?${text}`
}

async function readText(response: TransportResponse, what: string): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response.body) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) throw new KubeError('Unexpected', `the answer is too large (${what})`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseBody(text: string, what: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text)
  } catch (cause) {
    throw new KubeError('Unexpected', `the answer is not JSON (${what})`, { cause })
  }
}
