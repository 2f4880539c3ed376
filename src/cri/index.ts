/**
 * The container runtime of a node: a client of the Container Runtime Interface v1 over its unix socket, and
 * in `removal/` the removal of images from the node.
 */

export { CriClient } from './client.ts'
export type { CriContainer, CriImage, RuntimeVersion } from './client.ts'
export { CriError, isCriError } from './errors.ts'
export type { CriErrorCode } from './errors.ts'
export { planRemoval } from './removal/plan-removal.ts'
export type {
  RemovalPlan,
  RemovalInput,
  RemovalStep,
  KeepReason,
  RemovalDecision,
} from './removal/plan-removal.ts'
export { type ShortNames, resolveShortNames } from './short-names.ts'
export { socketCandidates } from './sockets.ts'
export { traitsOf } from './traits.ts'
export type { RuntimeTraits } from './traits.ts'
