/**
 * Removal Jobs: a short Job for one node, in the controller's own namespace, that asks the container runtime of the node
 * to remove images. `readRemovalJobs` reads them, `chooseRemoval` chooses the next one, `buildRemovalJob` writes the
 * manifest. What the Job does on the node is in `cri/removal`.
 */
export { buildRemovalJob } from './build-removal-job.ts'
export { type RemovalRequest, chooseRemoval } from './choose-removal.ts'
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
