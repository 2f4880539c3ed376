/** TODO opening */
export { type Due, due } from './due.ts'
export { UNPROVEN, answers, byKey, clip, record, wantedBy } from './ledger.ts'
export { RegistryHealth, withLatest } from './registry-health.ts'
export { settle, settleHopeless } from './settle.ts'
export { isDoubtful, isGone, sameMachine } from './truth.ts'
