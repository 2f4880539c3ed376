/**
 * The status of an ImageCache from the ledgers of its nodes. Pure: `turnOf` decides about the action, `Tally`
 * sums up what the nodes say, and `aggregate` makes the status.
 */
export { refreshWaitMs } from './action.ts'
export { type Aggregate, type Turn, aggregate, turnOf } from './aggregate.ts'
export { eventMessage } from './event-message.ts'
export type { Observation } from './observation.ts'
export { unplannedImages } from './observe-removals.ts'
export { Tally } from './tally.ts'
