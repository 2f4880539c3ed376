/**
 * The Job engine: one short Job for each node and batch of images, pinned to the node; the kubelet pulls, so every
 * credential path of the cluster works and nothing here needs a privilege.
 *
 * `decide` is pure: it reads the node's Jobs (`read-job.ts`, `read-pod.ts`), keeps the ledger (`ledger.ts`, `truth.ts`),
 * says what is due (`due.ts`) and chooses the next batch (`batch.ts`). `buildJob` writes the manifest.
 */
export { fraction } from './backoff.ts'
export { decide, refuse } from './decide.ts'
export { jobHash } from './job-name.ts'
export { buildJob, type JobManifest } from './build-job.ts'
export { imagesInPullJobs } from './held-up.ts'
export { sameMachine } from './truth.ts'
export { hostOf } from './registry-host.ts'
export { projectJob, type PullJob, type RawJob } from './pull-job.ts'
export { projectPod, type PullPod, type RawPod } from './pull-pod.ts'
export { choosePullMethod, type PullMethodSetting } from './pull-method.ts'
export { RegistryHealth } from './registry-health.ts'
export {
  type Decision,
  type JobRequest,
  type JobSettings,
  type NodeWork,
  type PullMethod,
  type RegistryView,
} from './node-work.ts'
