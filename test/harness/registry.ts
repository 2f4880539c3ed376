import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { HarnessError } from './errors.ts'
import { type Blob, type Manifest, MEDIA_TYPES, digestOf } from './oci.ts'

/** A target for images: a registry over HTTP, or a store in memory. */
export interface ImageStore {
  /** Stores a blob. An existing blob is kept. */
  putBlob(repository: string, blob: Blob): Promise<void>
  /** Stores a manifest under a tag or its digest. */
  putManifest(repository: string, reference: string, manifest: Manifest): Promise<void>
  /** The manifest of a tag or digest. */
  getManifest(repository: string, reference: string): Promise<Manifest>
  /** Deletes the manifest with this digest and all its tags. */
  deleteManifest(repository: string, digest: string): Promise<void>
}

/** Credentials for basic authentication. */
export interface BasicCredentials {
  readonly username: string
  readonly password: string
}

/** All media types of manifests. */
const MANIFEST_TYPES: readonly string[] = [
  MEDIA_TYPES.oci.index,
  MEDIA_TYPES.oci.manifest,
  MEDIA_TYPES.docker.index,
  MEDIA_TYPES.docker.manifest,
]

/** Splits `repo:tag`. @throws RangeError when there is no tag. */
export function parseTarget(target: string): { repository: string; tag: string } {
  const colon = target.lastIndexOf(':')
  if (colon < 1 || target.includes('/', colon)) throw new RangeError(`expected repo:tag, got ${target}`)
  return { repository: target.slice(0, colon), tag: target.slice(colon + 1) }
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

interface Question {
  readonly body?: Buffer
  readonly headers?: Record<string, string>
  /** Accepted statuses. Any other status is an error. */
  readonly expect: readonly number[]
}

/** Time limit for one answer of a registry. */
const ANSWER_MS = 30_000

/**
 * A registry at an HTTP address (OCI distribution specification). Each method throws HarnessError
 * `RegistryRefused` for an answer that the specification does not allow.
 */
export class RegistryClient implements ImageStore {
  readonly #base: URL
  readonly #credentials: BasicCredentials | undefined
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 })

  /** `base` is the address without a path, such as `http://127.0.0.1:5000`. */
  constructor(base: string, credentials?: BasicCredentials) {
    this.#base = new URL(base)
    this.#credentials = credentials
  }

  async putBlob(repository: string, blob: Blob): Promise<void> {
    const known = await this.#ask('HEAD', `/v2/${repository}/blobs/${blob.digest}`, { expect: [200, 404] })
    if (known.status === 200) return
    const opened = await this.#ask('POST', `/v2/${repository}/blobs/uploads/`, { expect: [202] })
    const location = new URL(opened.headers.location ?? '', this.#base)
    location.searchParams.set('digest', blob.digest)
    await this.#ask('PUT', location.pathname + location.search, {
      body: blob.content,
      headers: { 'content-type': 'application/octet-stream' },
      expect: [201],
    })
  }

  /** The blob with this digest. */
  async getBlob(repository: string, digest: string): Promise<Blob> {
    const answer = await this.#ask('GET', `/v2/${repository}/blobs/${digest}`, { expect: [200] })
    return { digest, content: answer.body }
  }

  async putManifest(repository: string, reference: string, manifest: Manifest): Promise<void> {
    await this.#ask('PUT', `/v2/${repository}/manifests/${reference}`, {
      body: manifest.content,
      headers: { 'content-type': manifest.mediaType },
      expect: [201],
    })
  }

  async getManifest(repository: string, reference: string): Promise<Manifest> {
    const answer = await this.#ask('GET', `/v2/${repository}/manifests/${reference}`, {
      headers: { accept: MANIFEST_TYPES.join(', ') },
      expect: [200],
    })
    return {
      mediaType: answer.headers['content-type'] ?? '',
      digest: digestOf(answer.body),
      content: answer.body,
    }
  }

  async deleteManifest(repository: string, digest: string): Promise<void> {
    await this.#ask('DELETE', `/v2/${repository}/manifests/${digest}`, { expect: [202] })
  }

  /** Closes idle connections. */
  close(): void {
    this.#agent.destroy()
  }

  #ask(method: string, path: string, question: Question): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const url = new URL(path, this.#base)
    const credentials = this.#credentials
    const outgoing = request(url, {
      method,
      agent: this.#agent,
      signal: AbortSignal.timeout(ANSWER_MS),
      headers: { 'content-length': String(question.body?.length ?? 0), ...question.headers },
      ...(credentials && { auth: `${credentials.username}:${credentials.password}` }),
    })
    outgoing.on('error', cause =>
      reject(new HarnessError('RegistryRefused', `${method} ${url.href}: ${cause.message}`, { cause })),
    )
    outgoing.on('response', incoming => {
      const chunks: Buffer[] = []
      incoming.on('error', reject)
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () => {
        const answer = {
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: Buffer.concat(chunks),
        }
        if (question.expect.includes(answer.status)) return resolve(answer)
        const words = answer.body.toString('utf8').slice(0, 300)
        reject(new HarnessError('RegistryRefused', `${method} ${url.href}: ${answer.status} ${words}`))
      })
    })
    outgoing.end(question.body)
    return promise
  }
}
