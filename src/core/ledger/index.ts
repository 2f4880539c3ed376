/**
 * The ledger of one node: three separate facts for each image.
 * `presence`: is it there? `attempt`: how did the last pull end? `removal`: how did the last removal end?
 *
 * `updateLedger` records the evidence of the engines and the image list of the node.
 * `pullDue` and `removalDue` say what needs an attempt, and when.
 * All of it is pure and knows no engine.
 */
export { isDoubtful, isSameMachine } from './apply-inventory.ts'
export { type Circuits, type RegistryCircuit, isSilence } from './circuits.ts'
export { type Due, type DueInput } from './due.ts'
export { attemptEndedAt, byKey, countImages, hasPullFailed, isPresent, isPullAnswered } from './entry.ts'
export {
  type AttemptFacts,
  type Evidence,
  NO_EVIDENCE,
  type PullEvidence,
  type PullVerdict,
  type RemovalEvidence,
  type RemovalVerdict,
} from './evidence.ts'
export { findEntry } from './find-entry.ts'
export { failBlockedImages } from './fail-blocked-images.ts'
export { MESSAGES_BYTES, fitMessages } from './fit-messages.ts'
export { boundedText } from './message.ts'
export { type DuePull, type OpenWork, openWork } from './open-work.ts'
export { failureFor } from './owner-failures.ts'
export { recordPull } from './record-pull.ts'
export { isRemovalAnswered } from './record-removal.ts'
export { isHeld } from './removal-due.ts'
export { type LedgerInput, updateLedger } from './update-ledger.ts'
