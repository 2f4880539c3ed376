/** TODO opening */
export { buildRemovalJob } from './build-removal-job.ts'
export { decideRemoval, refuseRemoval, removing } from './decide-removal.ts'
export {
  type RawRemovalJob,
  type RawRemovalPod,
  type RemovalJob,
  type RemovalPod,
  projectRemovalJob,
  projectRemovalPod,
} from './removal-job.ts'
export { type RemovalDecision, type RemovalRequest, type RemovalSettings } from './removal-work.ts'
