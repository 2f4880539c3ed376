/**
 * The status of an ImageCache from the ledgers of its nodes. Pure: `observe` counts, `action` keeps the old fields that
 * follow actions only, `conditions` says the same in today's words, `aggregate` puts them together within bounds.
 */
export { aggregate, type Aggregate } from './aggregate.ts'
