import { JOB_SELECTOR, REMOVAL_SELECTOR } from '../../api/constants.ts'
import { Informer, type KubeClient, type Logger, type Resource } from '../../kube/index.ts'
import { namespaceOfCredential } from '../../core/demand/index.ts'
import type { ClusterState } from '../../state/cluster-state.ts'
import { hostOf } from '../../oci/registry-host.ts'
import { type PullJob, type PullPod, type RawJob, type RawPod, projectJob, projectPod } from './pull/index.ts'
import {
  type RawRemovalJob,
  type RawRemovalPod,
  type RemovalJob,
  type RemovalPod,
  projectRemovalJob,
  projectRemovalPod,
} from './removal/index.ts'

/** Index of Jobs and Pods by the node that they are pinned to. */
const BY_NODE = 'node'
/** Index of Jobs by the UID of the cache that controls them. */
const BY_OWNER = 'owner'

const JOBS = { group: 'batch', version: 'v1', plural: 'jobs', kind: 'Job', namespaced: true } as const
const PODS = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true } as const

/** The Jobs of the engine and their Pods, as informers see them. */
export class JobState {
  readonly jobs: Resource<RawJob>
  readonly pullJobs: Informer<PullJob, RawJob>
  readonly pullPods: Informer<PullPod, RawPod>
  /** In the controller's own namespace only. */
  readonly removalJobs: Informer<RemovalJob, RawRemovalJob>
  readonly removalPods: Informer<RemovalPod, RawRemovalPod>
  readonly #cluster: ClusterState

  /** @param options.namespace the controller's own */
  constructor(
    client: KubeClient,
    cluster: ClusterState,
    { namespace, log }: { readonly namespace: string; readonly log: Logger },
  ) {
    this.#cluster = cluster
    this.jobs = client.resource<RawJob>(JOBS)
    const pulls = { labelSelector: JOB_SELECTOR, log }
    const removals = { namespace, labelSelector: REMOVAL_SELECTOR, log }
    this.pullJobs = new Informer(this.jobs, {
      ...pulls,
      project: projectJob,
      indexers: { [BY_NODE]: job => [job.nodeName], [BY_OWNER]: job => [job.ownerUid] },
    })
    this.pullPods = new Informer(client.resource<RawPod>(PODS), {
      ...pulls,
      project: projectPod,
      indexers: { [BY_NODE]: pod => [pod.nodeName] },
    })
    this.removalJobs = new Informer(client.resource<RawRemovalJob>(JOBS), {
      ...removals,
      project: projectRemovalJob,
      indexers: { [BY_NODE]: job => [job.nodeName] },
    })
    this.removalPods = new Informer(client.resource<RawRemovalPod>(PODS), {
      ...removals,
      project: projectRemovalPod,
      indexers: { [BY_NODE]: pod => [pod.nodeName] },
    })
  }

  /** The informers of Jobs and Pods. */
  get informers(): readonly [
    Informer<PullJob, RawJob>,
    Informer<PullPod, RawPod>,
    Informer<RemovalJob, RawRemovalJob>,
    Informer<RemovalPod, RawRemovalPod>,
  ] {
    return [this.pullJobs, this.pullPods, this.removalJobs, this.removalPods]
  }

  /** The engine's own pull Jobs that are pinned to a node. */
  pullJobsOf(nodeName: string): readonly PullJob[] {
    return this.pullJobs.byIndex(BY_NODE, nodeName).filter(job => this.#isOurs(job))
  }

  /** Jobs that the cache with this UID controls. */
  pullJobsOfCache(uid: string): readonly PullJob[] {
    return this.pullJobs.byIndex(BY_OWNER, uid)
  }

  /** Pods of pull Jobs on a node. */
  pullPodsOf(nodeName: string): readonly PullPod[] {
    return this.pullPods.byIndex(BY_NODE, nodeName)
  }

  /** Removal Jobs that are pinned to a node. */
  removalJobsOf(nodeName: string): readonly RemovalJob[] {
    return this.removalJobs.byIndex(BY_NODE, nodeName)
  }

  /** Pods of removal Jobs on a node. */
  removalPodsOf(nodeName: string): readonly RemovalPod[] {
    return this.removalPods.byIndex(BY_NODE, nodeName)
  }

  /** Unfinished Jobs of nodes that exist. */
  *inFlight(): Generator<PullJob | RemovalJob> {
    yield* this.#pullsInFlight()
    for (const job of this.removalJobs.list()) if (this.#isInFlight(job)) yield job
  }

  /** True where a Job of another node pulls from this registry now. */
  isPulledElsewhere(host: string, nodeName: string): boolean {
    for (const job of this.#pullsInFlight()) {
      if (job.nodeName !== nodeName && job.images.some(image => hostOf(image) === host)) return true
    }
    return false
  }

  /** True where caches of more than one namespace exist. */
  isShared(): boolean {
    const [first, ...others] = this.#cluster.compiledCaches()
    return others.some(({ cache }) => cache.metadata.namespace !== first?.cache.metadata.namespace)
  }

  *#pullsInFlight(): Generator<PullJob> {
    for (const job of this.pullJobs.list()) {
      if (this.#isInFlight(job) && this.#isOurs(job)) yield job
    }
  }

  #isInFlight(job: PullJob | RemovalJob): boolean {
    const isThere = this.#cluster.nodeInformer.get(job.nodeName)?.metadata.uid === job.nodeUid
    return isThere && !job.finished && !job.metadata.deletionTimestamp
  }

  /**
   * True where a cache of the same namespace controls the Job, and the Job claims no credential of another
   * namespace.
   * Labels and annotations prove nothing: any user with the right to create Jobs can set them.
   * A foreign Job is no evidence, uses no slot, and is never deleted here.
   */
  #isOurs({ cache, ownerUid, credential, metadata }: PullJob): boolean {
    if (credential !== undefined && namespaceOfCredential(credential) !== metadata.namespace) return false
    const owner = this.#cluster.compiled(cache)?.cache.metadata
    return owner?.uid !== undefined && owner.uid === ownerUid && owner.namespace === metadata.namespace
  }
}
