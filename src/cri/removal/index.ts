/**
 * Removal of images from a node: the request that a removal Job receives, the plan of what may be removed,
 * its execution at the runtime, and the result that the Job reports. A purge of a cache leads to removals on
 * its nodes.
 */
export { removeImages } from './remove-images.ts'
export {
  InvalidRequestError,
  type RemovalRequest,
  REQUEST_FILE,
  REQUEST_LIMITS,
  encodeRequest,
  parseRequest,
} from './request.ts'
export {
  type RemovalAnswer,
  type RemovalOutcome,
  type RemovalResult,
  encodeResult,
  parseResult,
} from './result.ts'
