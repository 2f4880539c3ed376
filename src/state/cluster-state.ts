import { isDeepStrictEqual } from 'node:util'
import { GROUP, VERSION } from '../api/constants.ts'
import type { ImageCache } from '../api/image-cache.ts'
import type { NodeImages, PullPolicy } from '../api/node-images.ts'
import type { KubeObject } from '../api/object.ts'
import { Informer, type KubeClient, type Logger, type Resource, withoutManagedFields } from '../kube/index.ts'
import {
  type CompiledCache,
  type GuardedField,
  type NamespaceFacts,
  activityOf,
  compileCache,
  projectNamespace,
  withinNamespaceBounds,
} from '../core/demand/index.ts'
import { type NodeFacts, type RawNode, projectNode } from '../core/node/index.ts'
import { byAge } from '../core/plan/index.ts'
import { NodeImagesProjection } from './node-images-projection.ts'

/**
 * What the controller knows of the cluster: an informer for each kind of object, and the clients that
 * change them.
 * All of it comes from the API server. Engines keep informers of their own objects.
 */
export class ClusterState {
  /** The API server's time, in milliseconds since the epoch. */
  readonly now: () => number
  readonly caches: Resource<ImageCache>
  readonly nodeImages: Resource<NodeImages>
  readonly nodeInformer: Informer<NodeFacts, RawNode>
  readonly cacheInformer: Informer<ImageCache>
  readonly nodeImagesInformer: Informer<NodeImages>
  readonly namespaceInformer: Informer<NamespaceFacts>
  readonly #projection = new NodeImagesProjection()
  readonly #defaultPolicy: PullPolicy
  readonly #allowed: ReadonlySet<GuardedField>
  readonly #compiled = new Map<string, CompiledCache>()
  /** The values of `#compiled`, within the bounds of their namespaces. Undefined where one has changed. */
  #bounded: { sorted: readonly CompiledCache[]; byKey: ReadonlyMap<string, CompiledCache> } | undefined

  /**
   * @param options.allowed fields of `spec.jobTemplate` that authors of caches may set
   */
  constructor(
    client: KubeClient,
    {
      defaultPolicy,
      allowed = [],
      log,
    }: {
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
    const nodes = client.resource<RawNode>(core('nodes', 'Node', false))
    this.namespaceInformer = new Informer(
      client.resource<KubeObject>(core('namespaces', 'Namespace', false)),
      {
        project: projectNamespace,
        log,
      },
    )
    this.nodeInformer = new Informer(nodes, {
      project: raw =>
        projectNode(raw, { previous: this.nodeInformer.get(raw.metadata.name), now: this.now() }),
      log,
    })
    this.cacheInformer = new Informer(this.caches, { project: withoutManagedFields, log })
    this.nodeImagesInformer = new Informer(this.nodeImages, {
      project: raw => this.#projection.project(raw),
      log,
    })
    this.#keepCompiled()
  }

  /** All compiled caches, the oldest first. The same list until a cache changes. */
  compiledCaches(): readonly CompiledCache[] {
    return this.#withinBounds().sorted
  }

  /** Takes the answer of a write before the watch delivers it. Returns the object as it is kept. */
  keepNodeImages(written: NodeImages): NodeImages {
    const object = this.#projection.project(written)
    this.nodeImagesInformer.upsert(object)
    return object
  }

  /** One compiled cache by `namespace/name`. */
  compiled(key: string): CompiledCache | undefined {
    return this.#withinBounds().byKey.get(key)
  }

  /** The same, as if it were the only one of its namespace. It costs nothing where caches change often. */
  compiledAlone(key: string): CompiledCache | undefined {
    return this.#compiled.get(key)
  }

  /** Its informers. */
  get informers() {
    const { nodeInformer, namespaceInformer, cacheInformer, nodeImagesInformer } = this
    return [nodeInformer, namespaceInformer, cacheInformer, nodeImagesInformer] as const
  }

  #keepCompiled(): void {
    this.cacheInformer.subscribe(({ type, object }) => {
      const key = `${object.metadata.namespace ?? ''}/${object.metadata.name}`
      this.#bounded = undefined
      if (type === 'deleted') {
        this.#compiled.delete(key)
        return
      }
      const old = this.#compiled.get(key)
      // Status and annotations change more often than the spec. Lists are parsed again for a new generation
      // only.
      const isSame =
        old?.cache.metadata.uid === object.metadata.uid &&
        old?.cache.metadata.generation === object.metadata.generation
      const next =
        old && isSame ? { ...old, cache: object, activity: activityOf(object) } : this.#compile(object)
      // Our first status replaces that of the old release, maybe before all nodes are reconciled. So the
      // time is kept here.
      const isSuccessor =
        old?.cache.metadata.uid === object.metadata.uid && old?.legacyFinishedAt !== undefined
      this.#compiled.set(key, isSuccessor ? { ...next, legacyFinishedAt: old.legacyFinishedAt } : next)
    })
    this.namespaceInformer.subscribe(({ type, object, previous }) => {
      if (type === 'updated' && isDeepStrictEqual(object.nodeSelector, previous?.nodeSelector)) return
      for (const { key, cache } of this.cachesIn(object.metadata.name)) {
        this.#compiled.set(key, this.#compile(cache))
      }
      this.#bounded = undefined
    })
  }

  /** Caches of a namespace. */
  cachesIn(namespace: string): CompiledCache[] {
    return this.compiledCaches().filter(({ cache }) => cache.metadata.namespace === namespace)
  }

  #withinBounds() {
    if (this.#bounded) return this.#bounded
    const sorted = withinNamespaceBounds([...this.#compiled.values()].toSorted(byAge))
    this.#bounded = { sorted, byKey: new Map(sorted.map(cache => [cache.key, cache])) }
    return this.#bounded
  }

  #compile(cache: ImageCache): CompiledCache {
    const namespace = this.namespaceInformer.get(cache.metadata.namespace ?? '')
    // The cache may be known before its namespace. Until then it is not known where its Pods may run.
    const isUnknown = this.namespaceInformer.hasSynced && !namespace
    const namespaceNodeSelector = isUnknown ? UNKNOWN_NAMESPACE : namespace?.nodeSelector
    return compileCache(cache, this.#defaultPolicy, { allowed: this.#allowed, namespaceNodeSelector })
  }
}

/** Labels that no node has. */
const UNKNOWN_NAMESPACE = { 'kubefledged.io/unknown-namespace': 'true' }

function core(plural: string, kind: string, namespaced: boolean) {
  return { group: '', version: 'v1', plural, kind, namespaced }
}
