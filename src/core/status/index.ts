/**
 * The status of an ImageCache from the ledgers of its nodes. Pure: `aggregate` observes, then decides about
 * the action.
 */
export { type Aggregate, aggregate } from './aggregate.ts'
export { eventMessage } from './event-message.ts'
