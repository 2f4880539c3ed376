/**
 * Pull Jobs. A pull Job is short, pinned to one node, and has a batch of images.
 * The kubelet pulls with all its credentials, and the controller needs no privilege on the node.
 *
 * - `readPullJobs`: what Jobs and their Pods prove
 * - `chooseJob`: the images of the next Job
 * - `nodeWait`: what a Job waits for at its node
 * - `buildJob`: the manifest
 *
 * All functions are pure.
 */
export { imagesInPullJobs } from './blocking-pods.ts'
export { type JobManifest, buildJob } from './build-job.ts'
export { type JobRequest, chooseJob, keysInFlight } from './choose-job.ts'
export { helperImageMessage } from './helper-image.ts'
export { jobHash } from './job-name.ts'
export type { JobSettings } from './job-settings.ts'
export { nodeWait } from './node-wait.ts'
export { type PullJob, type RawJob, projectJob } from './pull-job.ts'
export { type PullMethodSetting, choosePullMethod } from './pull-method.ts'
export { type PullPod, type RawPod, projectPod } from './pull-pod.ts'
export { type PullReadings, readPullJobs } from './verdicts.ts'
