/** The contract between the controller and a purge Job: the request in an annotation, the result in the termination message. */

export { InvalidRequestError, encodeRequest } from './request.ts'
export type { PurgeRequest } from './request.ts'
export { parseResult } from './result.ts'
export type { PurgeAnswer, PurgeOutcome, PurgeResult } from './result.ts'
