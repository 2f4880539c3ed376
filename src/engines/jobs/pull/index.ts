/**
 * Pull Jobs: a short Job for one node and a batch of images, pinned to the node. The kubelet pulls with all the
 * credentials that it has, and the operator needs no privilege.
 *
 * `readPullJobs` reads Jobs and their Pods. `chooseJob` chooses the images of the next Job. `nodeWait` says what a Job
 * waits for at its node. `buildJob` writes the manifest. All of it is pure.
 */
export { imagesInPullJobs } from './blocking-pods.ts'
export { type JobManifest, buildJob } from './build-job.ts'
export { type JobRequest, chooseJob, keysInFlight } from './choose-job.ts'
export { helperImageWords } from './helper-image.ts'
export { jobHash } from './job-name.ts'
export type { JobSettings } from './job-settings.ts'
export { nodeWait } from './node-wait.ts'
export { type PullJob, type RawJob, projectJob } from './pull-job.ts'
export { type PullMethodSetting, choosePullMethod } from './pull-method.ts'
export { type PullPod, type RawPod, projectPod } from './pull-pod.ts'
export { type PullReadings, readPullJobs } from './verdicts.ts'
