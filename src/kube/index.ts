/**
 * A thin Kubernetes client that follows client-go: watch-list informers, work queue, leader election, events.
 * It knows no kind of this product.
 */
export { KubeClient, type KubeClientOptions, type KubeRequest, type Verb } from './client.ts'
export type { Clock } from '../base/clock.ts'
export type { ClusterConfig } from './cluster-config.ts'
export { loadConfig } from './config.ts'
export { isKubeError, KubeError, type KubeErrorCode } from './errors.ts'
export { EventRecorder } from './events.ts'
export { Informer, type WatchLiveness } from './informer.ts'
export type { InformerOptions } from './informer-options.ts'
export { type Leader, type LeaderElectionOptions, runWithLeaderElection } from './leader-election.ts'
export { type Logger, silentLogger } from '../base/logger.ts'
export { serviceAccountOwner } from './service-account.ts'
export { withoutManagedFields } from './managed-fields.ts'
export { mergePatchOf } from './merge-patch.ts'
export {
  type ObjectList,
  type ObjectName,
  Resource,
  type ResourceDef,
  type Selection,
  type WatchOptions,
  type WriteOptions,
} from './resource.ts'
export { type Change, type ChangeHandler, type Indexer } from './store.ts'
export { sleep } from './wait.ts'
export type { WatchEvent } from './watch.ts'
export { type HandlerResult, type RunOptions, WorkQueue } from './work-queue.ts'
export { InformerSet } from './informer-set.ts'
export { type Controller, runControllers } from './controller.ts'
