import type { IncomingMessage } from 'node:http'
import { discard, errorCodesOf, readText } from './answer-body.ts'
import { RegistryError, type RegistryErrorCode } from './registry-error.ts'
import { parseRetryAfter } from './retry-after.ts'

const CODE_BY_STATUS: Readonly<Record<number, RegistryErrorCode>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  408: 'Unavailable',
  429: 'RateLimited',
}

/**
 * The error for an answer without success. Reads error codes from its body.
 *
 * @param who name of the server, for the message
 */
export async function errorOfStatus(
  who: string,
  method: 'GET' | 'HEAD',
  answer: IncomingMessage,
): Promise<RegistryError> {
  const status = answer.statusCode ?? 0
  const codes = method === 'GET' ? errorCodesOf(await readText(answer)) : ''
  discard(answer, method)
  const words = codes === '' ? `${status}` : `${status} ${codes}`
  const code = CODE_BY_STATUS[status] ?? (status >= 500 ? 'Unavailable' : 'InvalidAnswer')
  return new RegistryError(code, `${who} answered ${words}`, {
    retryAfterMs: parseRetryAfter(answer.headers['retry-after']),
  })
}
