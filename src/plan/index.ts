/**
 * The plan: caches and nodes in, the images that each node shall hold out. Pure: no I/O, no clock of its own, no state.
 *
 * `select` answers for one list and one node through a chain of rules (`eligibility.ts`); `planNode` merges what all
 * caches want of one node.
 */
export { byAge, planNode, select, startableKeys, type PlanInput, type Selection } from './plan.ts'
export { planRemovals, keptReferences, isAnswered, type RemovalInput } from './removals.ts'
export { activityOf, isHeldForPurge, leavingSince, wantsPurge, type Activity } from './activity.ts'
export { skipReason } from './eligibility.ts'
export {
  cacheKey,
  compileCache,
  hasLetGo,
  pullSecretNames,
  shortHash,
  type CompiledCache,
  type CompiledList,
} from './compiled-cache.ts'
export { isNewerThan, isWhole, listedDigest, lookUp } from './image-list.ts'
export { type Validation, validateImageCache } from './validate/validate.ts'
export { GUARDED_FIELDS, type GuardedField } from './job-template.ts'
export { projectNamespace, type NamespaceFacts } from './namespace-facts.ts'
export { projectNode, sameFacts, type NodeFacts, type RawNode } from './node-facts.ts'
export { needsPull, type TagAnswer, type TagAnswers } from './refresh.ts'
export { fitting } from './room.ts'
export { nextRefresh } from './refresh-schedule.ts'
