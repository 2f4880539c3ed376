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

/** Deployments of releases: the objects of theirs whose loss is noticed at once. */
const DEPLOYMENTS = {
  group: 'apps',
  version: 'v1',
  plural: 'deployments',
  kind: 'Deployment',
  namespaced: true,
} as const
const RELEASED = 'app.kubernetes.io/managed-by=Helm'
/** Label with the name of the release, as charts have it by convention. */
const RELEASE_LABEL = 'app.kubernetes.io/instance'

/** Hears of an object that somebody else than its status changed; without the object, of one that is gone or whose release was changed. */
type Listener = (key: string, object?: ReleaseObject) => void

/** The objects of one kind, in some namespaces or in all. */
export class ReleaseObjects {
  readonly #resource: Resource<ReleaseObject>
  readonly #informers: ReadonlyMap<string, Informer<ReleaseObject>>
  readonly #deployments: readonly Informer<KubeObject>[]

  /** @param namespaces empty: all */
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
          labelSelector: RELEASED,
          project: ({ metadata }) => ({ metadata: lean(metadata) }),
          log,
        }),
    )
  }

  /** Its informers, for those who watch over them. */
  get informers(): readonly (Pick<Informer<KubeObject>, 'run' | 'waitForSync' | 'hasSynced'> &
    WatchLiveness)[] {
    return [...this.#informers.values(), ...this.#deployments]
  }

  /** True once all of them were seen. */
  get hasSynced(): boolean {
    return this.informers.every(informer => informer.hasSynced)
  }

  /** The object with this key, `namespace/name`, as it was seen last. */
  get(key: string): ReleaseObject | undefined {
    const [namespace = ''] = key.split('/')
    return this.#of(namespace)?.get(key)
  }

  /** All objects. */
  *list(): Generator<ReleaseObject> {
    for (const informer of this.#informers.values()) yield* informer.list()
  }

  /** All objects as they are at the API server, which informers may be behind. Throws KubeError. */
  async listNow(signal: AbortSignal): Promise<readonly ReleaseObject[]> {
    const scopes = [...this.#informers.keys()]
    const lists = await Promise.all(scopes.map(namespace => this.#resource.list({ namespace, signal })))
    return lists.flatMap(({ items }) => items)
  }

  /** Puts in the answer of a write, before the watch brings it. */
  put(object: ReleaseObject): void {
    this.#of(object.metadata.namespace ?? '')?.upsert(withoutManagedFields(object))
  }

  /** Tells of every object, then of every change of a spec, every deletion, and every change of a release's Deployment. */
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

  /** Resolves when all of them were seen. */
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
