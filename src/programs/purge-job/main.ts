import { open, writeFile } from 'node:fs/promises'
import { pino } from 'pino'
import { isCriError } from '../../cri/index.ts'
import type { Logger } from '../../base/logger.ts'
import { stopOnSignals } from '../../process/stop-on-signals.ts'
import { VERSION } from '../../base/version.ts'
import { type Connection, connect } from './connect.ts'
import { type CriClientOptions, parseCriClientOptions } from './options.ts'
import { removeImages } from '../../cri/removal/index.ts'
import { InvalidRequestError, REQUEST_LIMITS, parseRequest } from '../../cri/removal/index.ts'
import { type RemovalResult, encodeResult } from '../../cri/removal/index.ts'

/**
 * The process of a removal Job: removes the images of the request file from the node, writes the result and
 * ends.
 */

/**
 * Runs the process. Resolves to the exit code: 0 when the runtime answered, even if images are kept; 1
 * otherwise, with the reason in the termination log. Throws `UsageError`.
 */
export async function runCriClient(argv: readonly string[]): Promise<number> {
  const options = parseCriClientOptions(argv)
  if ('help' in options) {
    process.stdout.write(options.help)
    return 0
  }
  const log = pino(
    { level: options.logLevel, base: { component: 'kubefledged-cri-client' } },
    pino.destination(2),
  )
  const stop = new AbortController()
  stopOnSignals(stop, log)
  log.debug({ version: VERSION, node: process.version }, 'starting')
  const context = { log, signal: stop.signal }
  if (options.list) return list(options, context)
  const result = await attempt(options, context)
  log.info({ result }, result.kind === 'Done' ? 'done' : 'nothing could be done')
  await writeFile(options.terminationLog, encodeResult(result))
  return result.kind === 'Done' ? 0 : 1
}

interface Context {
  readonly log: Logger
  readonly signal: AbortSignal
}

async function attempt(options: CriClientOptions, context: Context): Promise<RemovalResult> {
  let connection: Connection | undefined
  try {
    const request = parseRequest(await readBounded(options.requestFile))
    connection = await connect(options.sockets, context)
    return await removeImages({ ...connection, ...context, request })
  } catch (error) {
    if (isCriError(error)) return { kind: 'Error', code: error.code, message: error.message }
    if (error instanceof InvalidRequestError) {
      return { kind: 'Error', code: 'InvalidRequest', message: error.message }
    }
    throw error
  } finally {
    connection?.client.close()
  }
}

async function list(options: CriClientOptions, context: Context): Promise<number> {
  let connection: Connection | undefined
  try {
    connection = await connect(options.sockets, context)
    const images = await connection.client.listImages()
    process.stdout.write(`${JSON.stringify({ runtime: connection.runtime, images })}\n`)
    return 0
  } catch (error) {
    if (!isCriError(error)) throw error
    process.stderr.write(`${error.message}\n`)
    return 1
  } finally {
    connection?.client.close()
  }
}

/** Reads a file, up to one byte more than a request may have. */
async function readBounded(path: string): Promise<string> {
  try {
    await using file = await open(path)
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(REQUEST_LIMITS.bytes + 1),
      0,
      REQUEST_LIMITS.bytes + 1,
      0,
    )
    return buffer.toString('utf8', 0, bytesRead)
  } catch (cause) {
    throw new InvalidRequestError(`${path} cannot be read`, { cause })
  }
}
