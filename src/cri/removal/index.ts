/** TODO opening */
export { purge } from './remove-images.ts'
export {
  InvalidRequestError,
  type PurgeRequest,
  REQUEST_FILE,
  REQUEST_LIMITS,
  encodeRequest,
  parseRequest,
} from './request.ts'
export { type PurgeAnswer, type PurgeOutcome, type PurgeResult, encodeResult, parseResult } from './result.ts'
