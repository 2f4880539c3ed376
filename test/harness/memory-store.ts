import { HarnessError } from './errors.ts'
import type { Blob, Manifest } from './oci.ts'
import type { ImageStore } from './registry.ts'

/** Images in memory. All repositories share their blobs. */
export class MemoryStore implements ImageStore {
  readonly #blobs = new Map<string, Buffer>()
  readonly #manifests = new Map<string, Map<string, Manifest>>()

  /** The blob with this digest. */
  blob(digest: string): Buffer | undefined {
    return this.#blobs.get(digest)
  }

  /** The manifest of a tag or digest. */
  manifest(repository: string, reference: string): Manifest | undefined {
    return this.#manifests.get(repository)?.get(reference)
  }

  async putBlob(_repository: string, blob: Blob): Promise<void> {
    this.#blobs.set(blob.digest, blob.content)
  }

  async putManifest(repository: string, reference: string, manifest: Manifest): Promise<void> {
    const named = this.#manifests.get(repository) ?? new Map<string, Manifest>()
    named.set(reference, manifest).set(manifest.digest, manifest)
    this.#manifests.set(repository, named)
  }

  async getManifest(repository: string, reference: string): Promise<Manifest> {
    const manifest = this.manifest(repository, reference)
    if (!manifest) throw new HarnessError('RegistryRefused', `${repository}:${reference} is not in the store`)
    return manifest
  }

  async deleteManifest(repository: string, digest: string): Promise<void> {
    const named = this.#manifests.get(repository)
    for (const [reference, manifest] of named ?? []) {
      if (manifest.digest === digest) named?.delete(reference)
    }
  }
}
