/**
 * The Job engine: it pulls and removes images with short Jobs that are pinned to a node.
 *
 * - `job-state`: the Jobs and their Pods
 * - `job-slots`: how many Jobs run at the same time
 * - `admission`: whether a Job may start now
 * - `pull`, `removal`: what goes into a Job, and what its Pod proves
 * - `job-writer`: creates and deletes Jobs
 */
export { Admission } from './admission.ts'
export { JobEngine } from './job-engine.ts'
export { JobSlots } from './job-slots.ts'
export { JobState } from './job-state.ts'
export { JobWriter } from './job-writer.ts'
export { ownPullSecrets } from './helper-secrets.ts'
