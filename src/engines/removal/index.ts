/**
 * Removal of images from nodes: one short Job for each node, in the controller's own namespace, asks the node's container
 * runtime. `decideRemoval` is pure: it reads the node's removal Jobs (`read-removal.ts`) into the ledger and chooses the
 * next one; `buildRemovalJob` writes the manifest. What the Job does on the node is `src/cri-client`.
 */
export { decideRemoval, refuseRemoval, removing } from './decide-removal.ts'
export { buildRemovalJob } from './build-removal-job.ts'
export {
  type RawRemovalJob,
  type RawRemovalPod,
  type RemovalJob,
  type RemovalPod,
  projectRemovalJob,
  projectRemovalPod,
} from './removal-job.ts'
export type { RemovalDecision, RemovalRequest, RemovalSettings, RemovalWork } from './removal-work.ts'
