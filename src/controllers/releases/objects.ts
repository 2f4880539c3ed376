import type { KubeObject } from '../../api/object.ts'
import {
  Informer,
  type KubeClient,
  type Logger,
  type Resource,
  type WatchLiveness,
  withoutManagedFields,
} from '../../kube/index.ts'
import type { ReleaseKind, ReleaseObject } from './kind.ts'

/**
 * Deployments of releases. A change of them starts a reconcile at once; other objects wait for the period.
 */
const DEPLOYMENTS = {
  group: 'apps',
  version: 'v1',
  plural: 'deployments',
  kind: 'Deployment',
  namespaced: true,
} as const
const HELM_SELECTOR = 'app.kubernetes.io/managed-by=Helm'
/** Label with the name of the release, by convention of charts. */
const RELEASE_LABEL = 'app.kubernetes.io/instance'

/**
 * Called when an object's spec has changed, with the object.
 * Called without the object when it was deleted or when its release was changed.
 */
type Listener = (key: string, object?: ReleaseObject) => void

/** The objects of one kind, in the watched namespaces. */
export class ReleaseObjects {
  readonly #resource: Resource<ReleaseObject>
  readonly #informers: ReadonlyMap<string, Informer<ReleaseObject>>
  readonly #deployments: readonly Informer<KubeObject>[]

  /** @param namespaces the watched namespaces. Empty: all. */
  constructor(client: KubeClient, kind: ReleaseKind, namespaces: readonly string[], log: Logger) {
    this.#resource = client.resource<ReleaseObject>(kind.def)
    const deployments = client.resource<KubeObject>(DEPLOYMENTS)
    const scopes = namespaces.length === 0 ? [''] : namespaces
    this.#informers = new Map(
      scopes.map(namespace => [
        namespace,
        new Informer(this.#resource, { namespace, project: withoutManagedFields, log }),
      ]),
    )
    this.#deployments = scopes.map(
      namespace =>
        new Informer(deployments, {
          namespace,
          labelSelector: HELM_SELECTOR,
          project: ({ metadata }) => ({ metadata: lean(metadata) }),
          log,
        }),
    )
  }

  /** All informers, for liveness checks. */
  get informers(): readonly (Pick<Informer<KubeObject>, 'run' | 'waitForSync' | 'hasSynced'> &
    WatchLiveness)[] {
    return [...this.#informers.values(), ...this.#deployments]
  }

  /** True where all informers have synced. */
  get hasSynced(): boolean {
    return this.informers.every(informer => informer.hasSynced)
  }

  /** The object with this key, `namespace/name`, as the informer has it. */
  get(key: string): ReleaseObject | undefined {
    const [namespace = ''] = key.split('/')
    return this.#of(namespace)?.get(key)
  }

  /** All objects as the informers have them. */
  *list(): Generator<ReleaseObject> {
    for (const informer of this.#informers.values()) yield* informer.list()
  }

  /** All objects as the API server has them now. The informers may be behind. Throws KubeError. */
  async listNow(signal: AbortSignal): Promise<readonly ReleaseObject[]> {
    const scopes = [...this.#informers.keys()]
    const lists = await Promise.all(scopes.map(namespace => this.#resource.list({ namespace, signal })))
    return lists.flatMap(({ items }) => items)
  }

  /** Stores the answer of a write before the watch delivers it. */
  put(object: ReleaseObject): void {
    this.#of(object.metadata.namespace ?? '')?.upsert(withoutManagedFields(object))
  }

  /**
   * Calls the listener for every existing object, then for every change of a spec, every deletion,
   * and every change of a release's Deployment.
   */
  subscribe(listener: Listener): void {
    for (const informer of this.#informers.values()) {
      informer.subscribe(({ type, object, previous }) => {
        const { namespace, name, generation } = object.metadata
        if (type === 'updated' && previous?.metadata.generation === generation) return
        listener(`${namespace}/${name}`, ...(type === 'deleted' ? [] : [object]))
      })
    }
    for (const informer of this.#deployments) {
      informer.subscribe(({ type, object, previous }) => {
        if (type === 'updated' && previous?.metadata.generation === object.metadata.generation) return
        const key = `${object.metadata.namespace}/${object.metadata.labels?.[RELEASE_LABEL]}`
        if (this.get(key)) listener(key)
      })
    }
  }

  /** Watches until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.informers.map(informer => informer.run(signal)))
  }

  /** Resolves when all informers have synced. */
  async waitForSync(signal: AbortSignal): Promise<void> {
    await Promise.all(this.informers.map(informer => informer.waitForSync(signal)))
  }

  #of(namespace: string): Informer<ReleaseObject> | undefined {
    return this.#informers.get(namespace) ?? this.#informers.get('')
  }
}

function lean(metadata: KubeObject['metadata']): KubeObject['metadata'] {
  const { name, namespace, uid, resourceVersion, generation, labels } = metadata
  return {
    name,
    ...(namespace !== undefined && { namespace }),
    ...(uid !== undefined && { uid }),
    ...(resourceVersion !== undefined && { resourceVersion }),
    ...(generation !== undefined && { generation }),
    ...(labels !== undefined && { labels }),
  }
}
