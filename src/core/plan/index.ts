/** TODO opening */
export { byAge, planNode, select, startableKeys } from './plan.ts'
export { type TagAnswer, needsPull } from './refresh.ts'
export { isAnswered, keptReferences, planRemovals } from './removals.ts'
export { fitObjectSize } from './fit-object-size.ts'
