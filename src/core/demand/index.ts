/**
 * What caches ask for: an ImageCache is parsed and checked once for each generation, and everything after
 * it reads the result, a `CompiledCache`. The webhook validates with the same functions.
 */
export { type Activity, activityOf, isHeldForPurge, purgeRevision, wantsPurge } from './activity.ts'
export {
  type CompiledCache,
  type CompiledList,
  cacheKey,
  compileCache,
  hasLetGo,
  namespaceOfCredential,
  pullSecretNames,
  shortHash,
} from './compile-cache.ts'
export { GUARDED_FIELDS, type GuardedField } from './job-template.ts'
export { type NamespaceFacts, projectNamespace } from './namespace-facts.ts'
export { NamespaceSizes, withinNamespaceBounds } from './namespace-bounds.ts'
export { effectiveDeadlineMs, longestJobMs } from './pull-deadline.ts'
export { nextRefresh } from './refresh-schedule.ts'
export { validateImageCache } from './validate/validate.ts'
