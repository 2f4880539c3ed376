/**
 * The Job engine: pulls and removals by short Jobs that are pinned to a node. It owns its Jobs and Pods (`job-state`),
 * their number (`job-slots`), whether one may start (`admission`), and what goes into them (`pull`, `removal`).
 */
export { Admission } from './admission.ts'
export { JobEngine } from './job-engine.ts'
export { JobSlots } from './job-slots.ts'
export { JobState } from './job-state.ts'
export { JobWriter } from './job-writer.ts'
export { ownPullSecrets } from './helper-secrets.ts'
