import type { IncomingMessage } from 'node:http'

/** An HTTP error response. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  /** HTTP status. */
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Longest body of one request: two objects of the greatest size in etcd, with reserve. */
const MAX_BODY_BYTES = 8 * 1024 * 1024
/** Limit for the bytes of all bodies that are read at the same time. */
const MAX_BYTES_AT_ONCE = 64 * 1024 * 1024

/**
 * Reads bodies with a limit for each body and for all together, because every Pod in the cluster can connect.
 */
export class BodyReader {
  #bytes = 0

  /**
   * Reads the whole body as text. Throws `RequestError` 413 when it is too large, 503 when too many bytes are
   * being read.
   */
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
