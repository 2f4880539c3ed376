import { Client, Metadata, credentials } from '@grpc/grpc-js'
import type { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire'
import { CriError, errorFromStatus } from './errors.ts'

/** The kubelet's limit for an answer of the runtime. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024

/** Limits of a call. */
export interface CallOptions {
  /** Milliseconds until the call fails with `DeadlineExceeded`. */
  readonly timeoutMs: number
  /** Ends the call with `Aborted`. */
  readonly signal?: AbortSignal | undefined
  /** Metadata sent with the call. */
  readonly headers?: Readonly<Record<string, string>>
}

interface MessageCodec<T> {
  encode(message: T): BinaryWriter
  decode(input: BinaryReader | Uint8Array, length?: number): T
}

/** A method of a generated service definition. */
export interface UnaryMethod<Request, Response> {
  readonly name: string
  readonly requestType: MessageCodec<Request>
  readonly responseType: MessageCodec<Response>
}

/** A gRPC connection over a unix socket. It is opened by the first call. */
export class Channel {
  readonly #client: Client
  readonly #socketPath: string

  constructor(socketPath: string) {
    this.#socketPath = socketPath
    this.#client = new Client(`unix://${socketPath}`, credentials.createInsecure(), {
      // gRPC would send the escaped path of the socket. Some servers refuse it as a host name.
      'grpc.default_authority': 'localhost',
      'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
    })
  }

  /** Makes one call. Throws `CriError`. */
  call<Request, Response>(
    service: { readonly fullName: string },
    method: UnaryMethod<Request, Response>,
    request: Request,
    { timeoutMs, signal, headers = {} }: CallOptions,
  ): Promise<Response> {
    const { promise, resolve, reject } = Promise.withResolvers<Response>()
    const name = `${method.name} at ${this.#socketPath}`
    if (signal?.aborted) return Promise.reject(new CriError('Aborted', `aborted (${name})`))
    const metadata = new Metadata()
    for (const [key, value] of Object.entries(headers)) metadata.set(key, value)
    const abort = () => call.cancel()
    const call = this.#client.makeUnaryRequest(
      `/${service.fullName}/${method.name}`,
      (message: Request) => Buffer.from(method.requestType.encode(message).finish()),
      (bytes: Buffer) => method.responseType.decode(bytes),
      request,
      metadata,
      { deadline: Date.now() + timeoutMs },
      (error, response) => {
        signal?.removeEventListener('abort', abort)
        if (error) reject(errorFromStatus(name, error))
        else if (response === undefined) reject(new CriError('Internal', `no answer (${name})`))
        else resolve(response)
      },
    )
    signal?.addEventListener('abort', abort, { once: true })
    return promise
  }

  /** Closes the connection. Running calls end with `Aborted` or `Unavailable`. */
  close(): void {
    this.#client.close()
  }
}
