/** TODO opening */
export { type JobManifest, buildJob } from './build-job.ts'
export { decide, refuse } from './decide.ts'
export { imagesInPullJobs } from './held-up.ts'
export { helperImageWords } from './helper-image.ts'
export { jobHash, jobName } from './job-name.ts'
export {
  type Decision,
  type JobRequest,
  type JobSettings,
  type NodeWork,
  type RegistryState,
  type RegistryView,
} from './node-work.ts'
export { type PullJob, type RawJob, projectJob } from './pull-job.ts'
export { type PullMethodSetting, choosePullMethod } from './pull-method.ts'
export { type PullPod, type RawPod, projectPod } from './pull-pod.ts'
export { type ReadJob, isForeign } from './read-job.ts'
export type { Verdict } from './verdict.ts'
