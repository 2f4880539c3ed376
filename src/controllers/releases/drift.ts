import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../../api/object.ts'
import type { ReleaseName } from './helm.ts'
import type { ManifestClient } from './manifest-client.ts'
import { type ManifestObject, manifestObjects } from './manifest.ts'

/** The field manager of what is put back. */
const FIELD_MANAGER = 'kubefledged-operator'

/** What was found right: resource versions by object. Holds for one manifest only. */
interface Seen {
  readonly manifest: string
  readonly versions: ReadonlyMap<string, string | undefined>
}

/**
 * Puts back what was deleted or changed of a release's objects. By server-side apply: the API server itself compares, so that what it
 * writes differently (`1000m` as `1`) is no difference, what others added stays, and no revision of the release is made. An object that
 * nobody wrote since it was found right costs one read.
 */
export class DriftRepair {
  readonly #objects: ManifestClient
  readonly #seen = new Map<string, Seen>()

  constructor(objects: ManifestClient) {
    this.#objects = objects
  }

  /** Answers what was put back, as `Kind name`. Throws KubeError. */
  async repair(release: ReleaseName, manifest: string, signal: AbortSignal): Promise<readonly string[]> {
    const key = keyOf(release)
    const known = this.#seen.get(key)
    const before = known?.manifest === manifest ? known.versions : new Map<string, string>()
    const versions = new Map<string, string | undefined>()
    const repaired: string[] = []
    for (const object of manifestObjects(manifest, release)) {
      const name = `${object.kind} ${object.metadata.name}`
      const { version, changed } = await this.#repairOne(object, release, before.get(name), signal)
      versions.set(name, version)
      if (changed) repaired.push(name)
    }
    this.#seen.set(key, { manifest, versions })
    return repaired
  }

  /** Forgets a release that is gone. */
  forget(release: ReleaseName): void {
    this.#seen.delete(keyOf(release))
  }

  async #repairOne(
    object: ManifestObject,
    release: ReleaseName,
    rightAt: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly version: string | undefined; readonly changed: boolean }> {
    const { resource, wanted, live } = await this.#objects.locate(object, release, signal)
    const version = live?.metadata.resourceVersion
    if (version !== undefined && version === rightAt) return { version, changed: false }
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

/** What people and controllers write; without the API server's bookkeeping, and without what the object's own controller reports. */
function contentOf(object: KubeObject): unknown {
  const { labels, annotations } = object.metadata
  return { ...object, status: undefined, metadata: { labels, annotations } }
}
