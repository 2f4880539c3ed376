/** TODO opening */
export { type Aggregate, aggregate } from './aggregate.ts'
