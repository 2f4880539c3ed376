import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../../api/object.ts'
import type { ReleaseName } from './helm.ts'
import type { ManifestClient } from './manifest-client.ts'
import { type ManifestObject, manifestObjects } from './manifest.ts'

/** The field manager of repairs. */
const FIELD_MANAGER = 'kubefledged-operator'

/** The last comparison with one manifest: resource versions of correct objects, by object. */
interface Comparison {
  readonly manifest: string
  readonly versions: ReadonlyMap<string, string | undefined>
}

/**
 * Restores deleted or changed objects of a release by server-side apply.
 *
 * - The API server compares, so a value that it normalizes (`1000m` to `1`) is no difference.
 * - Fields that others added stay.
 * - The release gets no new revision.
 * - An object with an unchanged resource version costs one read and no write.
 */
export class DriftRepair {
  readonly #objects: ManifestClient
  readonly #comparisons = new Map<string, Comparison>()

  constructor(objects: ManifestClient) {
    this.#objects = objects
  }

  /** Restores the objects of a manifest. Returns the restored ones as `Kind name`. Throws KubeError. */
  async repair(release: ReleaseName, manifest: string, signal: AbortSignal): Promise<readonly string[]> {
    const key = keyOf(release)
    const known = this.#comparisons.get(key)
    const before = known?.manifest === manifest ? known.versions : new Map<string, string>()
    const versions = new Map<string, string | undefined>()
    const repaired: string[] = []
    for (const object of manifestObjects(manifest, release)) {
      const name = `${object.kind} ${object.metadata.name}`
      const { version, changed } = await this.#repairOne(object, release, before.get(name), signal)
      versions.set(name, version)
      if (changed) repaired.push(name)
    }
    this.#comparisons.set(key, { manifest, versions })
    return repaired
  }

  /** Forgets an uninstalled release. */
  forget(release: ReleaseName): void {
    this.#comparisons.delete(keyOf(release))
  }

  async #repairOne(
    object: ManifestObject,
    release: ReleaseName,
    correctVersion: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly version: string | undefined; readonly changed: boolean }> {
    const { resource, wanted, live } = await this.#objects.locate(object, release, signal)
    const version = live?.metadata.resourceVersion
    if (version !== undefined && version === correctVersion) return { version, changed: false }
    const applied = await resource.apply(wanted, { fieldManager: FIELD_MANAGER, force: true, signal })
    return {
      version: applied.metadata.resourceVersion,
      changed: !isDeepStrictEqual(live && contentOf(live), contentOf(applied)),
    }
  }
}

function keyOf({ name, namespace }: ReleaseName): string {
  return `${namespace}/${name}`
}

/** The object without status, and without the metadata that the API server manages. */
function contentOf(object: KubeObject): unknown {
  const { labels, annotations } = object.metadata
  return { ...object, status: undefined, metadata: { labels, annotations } }
}
