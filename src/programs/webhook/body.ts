import type { IncomingMessage } from 'node:http'

/** What a refused request is answered with. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  /** HTTP status. */
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Largest body of one request: two of the largest objects that etcd takes, and room. */
const MAX_BODY_BYTES = 8 * 1024 * 1024
/** Bytes of all bodies that are being read at one time. */
const MAX_BYTES_AT_ONCE = 64 * 1024 * 1024

/** Reads bodies within bounds, of each and of all together: anybody in the cluster can connect. */
export class BodyReader {
  #bytes = 0

  /** The whole body as text. Throws `RequestError` 413 where it is too large, 503 where too much is being read already. */
  async read(request: IncomingMessage): Promise<string> {
    if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) throw tooLarge()
    const chunks: Buffer[] = []
    let bytes = 0
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        bytes += chunk.length
        this.#bytes += chunk.length
        if (bytes > MAX_BODY_BYTES) throw tooLarge()
        if (this.#bytes > MAX_BYTES_AT_ONCE) throw new RequestError(503, 'too many requests at once')
        chunks.push(chunk)
      }
    } finally {
      this.#bytes -= bytes
    }
    return Buffer.concat(chunks).toString('utf8')
  }
}

function tooLarge(): RequestError {
  return new RequestError(413, `the body is larger than ${MAX_BODY_BYTES} bytes`)
}
