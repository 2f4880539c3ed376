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

/** An object of a manifest, found in the cluster. */
export interface LocatedObject {
  readonly resource: Resource<KubeObject>
  /** The object of the manifest. A namespaced object has its namespace. */
  readonly wanted: ManifestObject
  /** The object in the cluster. Undefined where it does not exist. */
  readonly live?: KubeObject
}

/**
 * Finds the objects of manifests in the cluster. Discovery of each API group happens once. Throws KubeError.
 */
export class ManifestClient {
  readonly #client: KubeClient
  readonly #known = new Map<string, ResourceDef>()

  constructor(client: KubeClient) {
    this.#client = client
  }

  /**
   * Looks up an object of a release. Throws KubeError:
   * `NotFound` where the API server does not know the kind.
   */
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
      // A deleted kind gives the same answer as a missing object, so the kind is discovered again.
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
      // A name with a slash is a subresource.
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
      // An API group disappears with its last kind.
      if (isKubeError(error, 'NotFound')) return []
      throw error
    }
  }
}

function keyOf({ apiVersion, kind }: Pick<ManifestObject, 'apiVersion' | 'kind'>): string {
  return `${apiVersion} ${kind}`
}
