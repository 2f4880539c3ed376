import type { KubeObject } from '../../api/object.ts'
import { isKubeError, type KubeClient, KubeError, type Resource, type ResourceDef } from '../../kube/index.ts'
import type { ReleaseName } from './helm.ts'
import type { ManifestObject } from './manifest.ts'

interface ApiResourceList {
  readonly resources: readonly {
    readonly name: string
    readonly kind: string
    readonly namespaced: boolean
  }[]
}

/** An object of a manifest and where it is in the cluster. */
export interface LocatedObject {
  readonly resource: Resource<KubeObject>
  /** With its namespace, where it has one. */
  readonly wanted: ManifestObject
  /** As it is in the cluster; absent where it is not there. */
  readonly live?: KubeObject
}

/** Finds the objects of manifests in the cluster. Where the API server serves which kind is asked once. Throws KubeError. */
export class ManifestClient {
  readonly #client: KubeClient
  readonly #known = new Map<string, ResourceDef>()

  constructor(client: KubeClient) {
    this.#client = client
  }

  /** Looks an object of a release up. `NotFound` where there is no such kind. */
  async locate(object: ManifestObject, release: ReleaseName, signal: AbortSignal): Promise<LocatedObject> {
    const def = await this.#definitionOf(object, signal)
    const resource = this.#client.resource<KubeObject>(def)
    const wanted = def.namespaced
      ? { ...object, metadata: { namespace: release.namespace, ...object.metadata } }
      : object
    try {
      const { name, namespace } = wanted.metadata
      return { resource, wanted, live: await resource.get({ name, namespace, signal }) }
    } catch (error) {
      if (!isKubeError(error, 'NotFound')) throw error
      // The path of a kind that is gone answers the same as that of an object.
      this.#known.delete(keyOf(object))
      await this.#definitionOf(object, signal)
      return { resource, wanted }
    }
  }

  async #definitionOf(object: ManifestObject, signal: AbortSignal): Promise<ResourceDef> {
    const { apiVersion, kind } = object
    const key = keyOf(object)
    if (!this.#known.has(key)) await this.#discover(apiVersion, signal)
    const found = this.#known.get(key)
    if (!found) throw new KubeError('NotFound', `the API server knows no kind ${kind} in ${apiVersion}`)
    return found
  }

  async #discover(apiVersion: string, signal: AbortSignal): Promise<void> {
    const [version = '', group = ''] = apiVersion.split('/').toReversed()
    for (const { name: plural, kind, namespaced } of await this.#resources(group, version, signal)) {
      // a name with a slash is a subresource
      if (!plural.includes('/')) {
        this.#known.set(keyOf({ apiVersion, kind }), { group, version, plural, kind, namespaced })
      }
    }
  }

  async #resources(
    group: string,
    version: string,
    signal: AbortSignal,
  ): Promise<ApiResourceList['resources']> {
    const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
    try {
      return (await this.#client.request<ApiResourceList>({ verb: 'get', path, signal })).resources
    } catch (error) {
      // A group goes with the last of its kinds.
      if (isKubeError(error, 'NotFound')) return []
      throw error
    }
  }
}

function keyOf({ apiVersion, kind }: Pick<ManifestObject, 'apiVersion' | 'kind'>): string {
  return `${apiVersion} ${kind}`
}
