import type { KubeObject } from '../api/object.ts'
import { isKubeError, type KubeClient, KubeError, type Resource, type ResourceDef } from '../kube/index.ts'
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
      if (isKubeError(error, 'NotFound')) return { resource, wanted }
      throw error
    }
  }

  async #definitionOf({ apiVersion, kind }: ManifestObject, signal: AbortSignal): Promise<ResourceDef> {
    const key = `${apiVersion} ${kind}`
    if (!this.#known.has(key)) await this.#discover(apiVersion, signal)
    const found = this.#known.get(key)
    if (!found) throw new KubeError('NotFound', `the API server knows no kind ${kind} in ${apiVersion}`)
    return found
  }

  async #discover(apiVersion: string, signal: AbortSignal): Promise<void> {
    const [version = '', group = ''] = apiVersion.split('/').toReversed()
    const { resources } = await this.#client.request<ApiResourceList>({
      verb: 'get',
      path: group === '' ? `/api/${version}` : `/apis/${group}/${version}`,
      signal,
    })
    for (const { name: plural, kind, namespaced } of resources) {
      // a name with a slash is a subresource
      if (!plural.includes('/')) {
        this.#known.set(`${apiVersion} ${kind}`, { group, version, plural, kind, namespaced })
      }
    }
  }
}
