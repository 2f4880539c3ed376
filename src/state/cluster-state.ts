import { isDeepStrictEqual } from 'node:util'
import { GROUP, JOB_SELECTOR, REMOVAL_SELECTOR, VERSION } from '../api/constants.ts'
import type { ImageCache } from '../api/image-cache.ts'
import type { NodeImages, PullPolicy } from '../api/node-images.ts'
import type { KubeObject } from '../api/object.ts'
import {
  type PullJob,
  type PullPod,
  type RawJob,
  type RawPod,
  projectJob,
  projectPod,
} from '../engines/jobs/pull/index.ts'
import {
  type RawRemovalJob,
  type RawRemovalPod,
  type RemovalJob,
  type RemovalPod,
  projectRemovalJob,
  projectRemovalPod,
} from '../engines/jobs/removal/index.ts'
import {
  Informer,
  type KubeClient,
  type Logger,
  type Resource,
  type WatchLiveness,
  withoutManagedFields,
} from '../kube/index.ts'
import {
  type CompiledCache,
  type GuardedField,
  type NamespaceFacts,
  activityOf,
  compileCache,
  projectNamespace,
} from '../core/demand/index.ts'
import { type NodeFacts, type RawNode, projectNode } from '../core/node/index.ts'
import { byAge } from '../core/plan/index.ts'

/** Index of Jobs and Pods by the node that they are pinned to. */
const BY_NODE = 'node'
/** Index of Jobs by the UID of the cache that controls them. */
const BY_OWNER = 'owner'

/**
 * What the controller knows of the cluster: one informer for each kind of object, and the clients to change them. The
 * only state that it works from; everything in it comes from the API server.
 */
export class ClusterState {
  /** The API server's time, in milliseconds since the epoch. */
  readonly now: () => number
  readonly caches: Resource<ImageCache>
  readonly nodeImages: Resource<NodeImages>
  readonly jobs: Resource<RawJob>
  readonly nodeInformer: Informer<NodeFacts, RawNode>
  readonly cacheInformer: Informer<ImageCache>
  readonly nodeImagesInformer: Informer<NodeImages>
  readonly jobInformer: Informer<PullJob, RawJob>
  readonly podInformer: Informer<PullPod, RawPod>
  readonly namespaceInformer: Informer<NamespaceFacts>
  /** Jobs that remove images, and their Pods: in the controller's own namespace only. */
  readonly removalJobInformer: Informer<RemovalJob, RawRemovalJob>
  readonly removalPodInformer: Informer<RemovalPod, RawRemovalPod>
  readonly #defaultPolicy: PullPolicy
  readonly #allowed: ReadonlySet<GuardedField>
  readonly #compiled = new Map<string, CompiledCache>()
  /** The values of `#compiled` by age; undefined since one of them changed. */
  #sorted: readonly CompiledCache[] | undefined

  /**
   * @param options.namespace the controller's own
   * @param options.allowed fields of `spec.jobTemplate` that authors of caches may set
   */
  constructor(
    client: KubeClient,
    {
      namespace,
      defaultPolicy,
      allowed = [],
      log,
    }: {
      readonly namespace: string
      readonly defaultPolicy: PullPolicy
      readonly allowed?: readonly GuardedField[]
      readonly log: Logger
    },
  ) {
    const ours = { group: GROUP, version: VERSION }
    this.now = () => client.now()
    this.#defaultPolicy = defaultPolicy
    this.#allowed = new Set(allowed)
    this.caches = client.resource({ ...ours, plural: 'imagecaches', kind: 'ImageCache', namespaced: true })
    this.nodeImages = client.resource({
      ...ours,
      plural: 'nodeimages',
      kind: 'NodeImages',
      namespaced: false,
    })
    const jobs = { group: 'batch', version: 'v1', plural: 'jobs', kind: 'Job', namespaced: true }
    this.jobs = client.resource(jobs)
    const nodes = client.resource<RawNode>(core('nodes', 'Node', false))
    const pods = client.resource<RawPod>(core('pods', 'Pod', true))
    this.namespaceInformer = new Informer(
      client.resource<KubeObject>(core('namespaces', 'Namespace', false)),
      {
        project: projectNamespace,
        log,
      },
    )
    this.nodeInformer = new Informer(nodes, { project: projectNode, log })
    this.cacheInformer = new Informer(this.caches, { project: withoutManagedFields, log })
    this.nodeImagesInformer = new Informer(this.nodeImages, { project: withoutManagedFields, log })
    this.jobInformer = new Informer(this.jobs, {
      labelSelector: JOB_SELECTOR,
      project: projectJob,
      indexers: { [BY_NODE]: job => [job.nodeName], [BY_OWNER]: job => [job.ownerUid] },
      log,
    })
    this.podInformer = new Informer(pods, {
      labelSelector: JOB_SELECTOR,
      project: projectPod,
      indexers: { [BY_NODE]: pod => [pod.nodeName] },
      log,
    })
    const removals = { namespace, labelSelector: REMOVAL_SELECTOR, log }
    this.removalJobInformer = new Informer(client.resource<RawRemovalJob>(jobs), {
      ...removals,
      project: projectRemovalJob,
      indexers: { [BY_NODE]: job => [job.nodeName] },
    })
    const removalPods = client.resource<RawRemovalPod>(core('pods', 'Pod', true))
    this.removalPodInformer = new Informer(removalPods, {
      ...removals,
      project: projectRemovalPod,
      indexers: { [BY_NODE]: pod => [pod.nodeName] },
    })
    this.#keepCompiled()
  }

  /** Runs all informers until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#informers().map(informer => informer.run(signal)))
  }

  /** Resolves when every collection was seen whole. */
  async waitForSync(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#informers().map(informer => informer.waitForSync(signal)))
  }

  /** True once every collection was seen whole. */
  get hasSynced(): boolean {
    return this.#informers().every(informer => informer.hasSynced)
  }

  /** All caches, ready for the plan, the oldest first. The same list until a cache changes. */
  compiledCaches(): readonly CompiledCache[] {
    this.#sorted ??= [...this.#compiled.values()].toSorted(byAge)
    return this.#sorted
  }

  /** One cache by `namespace/name`, ready for the plan. */
  compiled(key: string): CompiledCache | undefined {
    return this.#compiled.get(key)
  }

  /** Pull Jobs that are pinned to a node. */
  jobsOf(nodeName: string): readonly PullJob[] {
    return this.jobInformer.byIndex(BY_NODE, nodeName).filter(job => this.#isOurs(job))
  }

  /** Jobs that the cache with this UID controls. */
  jobsOfCache(uid: string): readonly PullJob[] {
    return this.jobInformer.byIndex(BY_OWNER, uid)
  }

  /** Pods of pull Jobs on a node. */
  podsOf(nodeName: string): readonly PullPod[] {
    return this.podInformer.byIndex(BY_NODE, nodeName)
  }

  /** Removal Jobs that are pinned to a node. */
  removalJobsOf(nodeName: string): readonly RemovalJob[] {
    return this.removalJobInformer.byIndex(BY_NODE, nodeName)
  }

  /** Pods of removal Jobs on a node. */
  removalPodsOf(nodeName: string): readonly RemovalPod[] {
    return this.removalPodInformer.byIndex(BY_NODE, nodeName)
  }

  /** Jobs that pull now, on nodes that are there. */
  *pullsInFlight(): Generator<PullJob> {
    for (const job of this.jobInformer.list()) {
      if (this.#isInFlight(job) && this.#isOurs(job)) yield job
    }
  }

  /** Jobs that pull or remove now, on nodes that are there. */
  *jobsInFlight(): Generator<PullJob | RemovalJob> {
    yield* this.pullsInFlight()
    for (const job of this.removalJobInformer.list()) if (this.#isInFlight(job)) yield job
  }

  #isInFlight(job: PullJob | RemovalJob): boolean {
    const isThere = this.nodeInformer.get(job.nodeName)?.metadata.uid === job.nodeUid
    return isThere && !job.finished && !job.metadata.deletionTimestamp
  }

  /**
   * Whoever may make Jobs in a namespace may give them our labels and annotations; a Job is ours where a cache of the same
   * namespace controls it. What is not is no evidence, takes nobody's place, and is for nobody here to end.
   */
  #isOurs({ cache, ownerUid, metadata }: PullJob): boolean {
    const owner = this.#compiled.get(cache)?.cache.metadata
    return owner?.uid !== undefined && owner.uid === ownerUid && owner.namespace === metadata.namespace
  }

  /** Its informers, for those who watch over them. */
  get informers(): readonly WatchLiveness[] {
    return this.#informers()
  }

  #informers(): readonly (Pick<Informer<KubeObject>, 'run' | 'waitForSync' | 'hasSynced'> & WatchLiveness)[] {
    return [
      this.nodeInformer,
      this.namespaceInformer,
      this.cacheInformer,
      this.nodeImagesInformer,
      this.jobInformer,
      this.podInformer,
      this.removalJobInformer,
      this.removalPodInformer,
    ]
  }

  #keepCompiled(): void {
    this.cacheInformer.subscribe(({ type, object }) => {
      const key = `${object.metadata.namespace ?? ''}/${object.metadata.name}`
      this.#sorted = undefined
      if (type === 'deleted') {
        this.#compiled.delete(key)
        return
      }
      const old = this.#compiled.get(key)
      // Lists are parsed once for each generation; status and annotations change more often than the spec.
      const isSame =
        old?.cache.metadata.uid === object.metadata.uid &&
        old?.cache.metadata.generation === object.metadata.generation
      const next =
        old && isSame ? { ...old, cache: object, activity: activityOf(object) } : this.#compile(object)
      // Our first status takes the place of the old release's, before all nodes may have been looked at.
      const isSuccessor =
        old?.cache.metadata.uid === object.metadata.uid && old?.legacyFinishedAt !== undefined
      this.#compiled.set(key, isSuccessor ? { ...next, legacyFinishedAt: old.legacyFinishedAt } : next)
    })
    this.namespaceInformer.subscribe(({ object, previous }) => {
      if (isDeepStrictEqual(object.nodeSelector, previous?.nodeSelector)) return
      for (const { key, cache } of this.cachesIn(object.metadata.name)) {
        this.#compiled.set(key, this.#compile(cache))
      }
      this.#sorted = undefined
    })
  }

  /** Caches of a namespace. */
  cachesIn(namespace: string): CompiledCache[] {
    return this.compiledCaches().filter(({ cache }) => cache.metadata.namespace === namespace)
  }

  #compile(cache: ImageCache): CompiledCache {
    const namespaceNodeSelector = this.namespaceInformer.get(cache.metadata.namespace ?? '')?.nodeSelector
    return compileCache(cache, this.#defaultPolicy, { allowed: this.#allowed, namespaceNodeSelector })
  }
}

function core(plural: string, kind: string, namespaced: boolean) {
  return { group: '', version: 'v1', plural, kind, namespaced }
}
