import { isDeepStrictEqual } from 'node:util'
import { activityOf, cacheKey, purgeRevision } from '../core/demand/index.ts'
import { type NodeFacts, sameFacts } from '../core/node/index.ts'
import type { JobState } from '../engines/jobs/index.ts'
import type { CircuitBreaker } from '../state/circuit-breaker.ts'
import type { Change, WorkQueue } from '../kube/index.ts'
import type { KubeObject } from '../api/object.ts'
import type { ImageCache } from '../api/image-cache.ts'
import { CacheChanges, cachesNamedBy, cachesSelecting } from './concerned.ts'
import { isLegacyJob } from './old-jobs/old-jobs.ts'
import type { JobSlots } from '../engines/jobs/index.ts'
import type { ClusterState } from '../state/cluster-state.ts'

/** The queues that changes of the cluster fill. */
export interface Queues {
  /** Names of nodes. */
  readonly nodes: WorkQueue<string>
  /** `namespace/name` of caches whose status may change. */
  readonly caches: WorkQueue<string>
  /** `namespace/name` of caches whose schedule may change. */
  readonly refreshes: WorkQueue<string>
  /** `namespace/name` of caches whose failures may be mended. */
  readonly healing: WorkQueue<string>
  /** `namespace/name` of Jobs that an old release may have left behind. */
  readonly oldJobs: WorkQueue<string>
}

/**
 * Enqueues the keys that a change concerns.
 * A reconcile depends on the state of the cluster, never on the change.
 * So an unneeded key only costs one reconcile, and each key is reconciled when the controller starts.
 */
export function enqueueOnChange({
  cluster,
  jobs,
  slots,
  breaker,
  queues,
}: {
  readonly cluster: ClusterState
  readonly jobs: JobState
  readonly slots: JobSlots
  readonly breaker: CircuitBreaker
  readonly queues: Queues
}): void {
  const allNodes = () => {
    for (const node of cluster.nodeInformer.list()) queues.nodes.add(node.metadata.name)
  }
  const addCaches = (keys: Iterable<string>) => {
    for (const key of keys) queues.caches.add(key)
  }
  const changes = new CacheChanges(cluster)
  cluster.nodeInformer.subscribe(({ type, object, previous }) => {
    if (type === 'updated' && previous && sameFacts(previous, object)) return
    const { name } = object.metadata
    queues.nodes.add(name)
    if (type === 'updated' && previous && !concernsCaches(previous, object)) return
    addCaches(cachesSelecting(cluster, [previous, object]))
    addCaches(cachesNamedBy(cluster, [cluster.nodeImagesInformer.get(name)]))
  })
  cluster.cacheInformer.subscribe(change => {
    const key = cacheKey(change.object)
    if (change.object.status?.failures) queues.healing.add(key)
    queues.caches.add(key)
    if (!concernsNodes(change)) return
    queues.refreshes.add(key)
    const { caches, nodes } = changes.concernedBy(change.object)
    addCaches(caches)
    for (const node of nodes) queues.nodes.add(node)
  })
  cluster.namespaceInformer.subscribe(({ type, object, previous }) => {
    const isFenced = type !== 'updated' || !isDeepStrictEqual(object.nodeSelector, previous?.nodeSelector)
    if (!isFenced && !object.metadata.deletionTimestamp) return
    const caches = cluster.cachesIn(object.metadata.name)
    for (const { key } of caches) queues.caches.add(key)
    if (isFenced && caches.length > 0) allNodes()
  })
  cluster.nodeImagesInformer.subscribe(change => {
    queues.nodes.add(change.object.metadata.name)
    addCaches(cachesNamedBy(cluster, [change.object, change.previous]))
    const { metadata, status } = change.object
    if (change.type === 'deleted') breaker.forgetNode(metadata.name)
    else if (breaker.observeLedger(metadata.name, status?.images ?? [])) allNodes()
  })
  jobs.pullJobs.subscribe(({ type, object, previous }) => {
    if (object.nodeName) queues.nodes.add(object.nodeName)
    if (isLegacyJob(object)) queues.oldJobs.add(`${object.metadata.namespace ?? ''}/${object.metadata.name}`)
    const ended = object.finished || object.metadata.deletionTimestamp !== undefined
    if (type === 'deleted' || (ended && previous?.finished !== object.finished)) slots.wakeNext()
  })
  jobs.removalJobs.subscribe(({ type, object }) => {
    if (object.nodeName) queues.nodes.add(object.nodeName)
    if (type === 'deleted' || object.metadata.deletionTimestamp) slots.wakeNext()
  })
  for (const informer of [jobs.pullPods, jobs.removalPods]) {
    informer.subscribe(({ object }: Change<KubeObject & { readonly nodeName: string }>) => {
      if (object.nodeName) queues.nodes.add(object.nodeName)
    })
  }
}

/**
 * True where the counts of caches may change. They depend on eligibility and labels, not on the image list.
 */
function concernsCaches(before: NodeFacts, after: NodeFacts): boolean {
  const essence = ({ metadata, ready, unschedulable, taints, os }: NodeFacts) =>
    JSON.stringify([
      metadata.uid,
      metadata.labels,
      metadata.deletionTimestamp,
      ready,
      unschedulable,
      taints,
      os,
    ])
  return essence(before) !== essence(after)
}

/** The plan reads the spec and the numbers of the last refresh and purge, nothing else of a cache. */
function concernsNodes({ type, object, previous }: Change<ImageCache>): boolean {
  if (type !== 'updated' || !previous) return true
  return (
    object.metadata.generation !== previous.metadata.generation ||
    activityOf(object) !== activityOf(previous) ||
    purgeRevision(object) !== purgeRevision(previous) ||
    object.status?.refreshRevision !== previous.status?.refreshRevision
  )
}
