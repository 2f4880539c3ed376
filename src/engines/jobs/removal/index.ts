/**
 * Removal Jobs. A removal Job is short, pinned to one node, and in the controller's own namespace.
 * It asks the container runtime of the node to remove images.
 * `cri/removal` has the code that runs on the node.
 *
 * - `readRemovalJobs`: what Jobs and their Pods prove
 * - `chooseRemoval`: the images of the next Job
 * - `buildRemovalJob`: the manifest
 */
export { buildRemovalJob } from './build-removal-job.ts'
export { type RemovalRequest, chooseRemoval } from './choose-removal.ts'
export { MountFailures } from './mount-failures.ts'
export {
  type RawRemovalJob,
  type RawRemovalPod,
  type RemovalJob,
  type RemovalPod,
  projectRemovalJob,
  projectRemovalPod,
} from './removal-job.ts'
export type { RemovalSettings } from './removal-settings.ts'
export { type RemovalReadings, readRemovalJobs } from './verdicts.ts'
