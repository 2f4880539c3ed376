/** The container runtime of a node: the Container Runtime Interface v1 over its unix socket. */

export { CriClient } from './client.ts'
export type { CriContainer, CriImage, RuntimeVersion } from './client.ts'
export { CriError, isCriError } from './errors.ts'
export type { CriErrorCode } from './errors.ts'
export { planRemoval } from './removal/plan-removal.ts'
export type { RemovalPlan, RemovalRequest, RemovalStep, StayReason, Verdict } from './removal/plan-removal.ts'
export { meaningsOf } from './short-names.ts'
export { socketCandidates } from './sockets.ts'
export { traitsOf } from './traits.ts'
export type { RuntimeTraits } from './traits.ts'
