import { CriClient, CriError, isCriError, type RuntimeVersion } from '../../cri/index.ts'
import type { Logger } from '../../base/logger.ts'

/** A connection to a runtime that answered. */
export interface Connection {
  readonly client: CriClient
  readonly runtime: RuntimeVersion
}

/**
 * Connects to the first socket that answers. When none answers, throws a `CriError` with the text of each
 * socket. Its code is that of the first socket that exists.
 */
export async function connect(
  sockets: readonly string[],
  { signal, log }: { readonly signal: AbortSignal; readonly log: Logger },
): Promise<Connection> {
  const errors: CriError[] = []
  for (const socketPath of sockets) {
    const client = new CriClient(socketPath, { signal })
    try {
      const runtime = await client.version()
      log.info({ socketPath, runtime }, 'connected')
      return { client, runtime }
    } catch (error) {
      client.close()
      if (!isCriError(error) || error.code === 'Aborted') throw error
      errors.push(error)
    }
  }
  const telling = errors.find(error => error.code !== 'Unavailable') ?? errors[0]
  const words = errors.map(error => error.message).join('; ')
  throw new CriError(telling?.code ?? 'Unavailable', words, { cause: telling })
}
