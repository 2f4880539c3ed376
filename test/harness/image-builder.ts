import { type ImageStore, type RegistryClient, parseTarget } from './registry.ts'
import { type Manifest, type OciImage, buildArtifact, buildImage, buildIndex, randomBytes } from './oci.ts'
import type { LayerFile } from './tar.ts'

/** Kinds of images. */
export type ImageKind =
  /** An ordinary OCI image. */
  | 'image'
  /** An image whose manifest has an empty list of layers. */
  | 'no-layers'
  /** An OCI artifact, not a container image. */
  | 'artifact'
  /** An index with linux/s390x only. */
  | 'index-other-platform'
  /** A single manifest whose config has linux/s390x. */
  | 'manifest-other-platform'
  /** An ordinary image of 60 layers. */
  | 'sixty-layers'
  /** Docker's image manifest version 2, schema 2. */
  | 'docker-schema2'

/** Settings of an image. */
export interface ImageOptions {
  /** Default `image`. */
  readonly kind?: ImageKind
  /** Number of layers. Default 1 (60 for `sixty-layers`). */
  readonly layers?: number
  /** Total bytes of content, not compressible. Default 1024. */
  readonly sizeBytes?: number
  /** `os/architecture` of the config. Default `linux/amd64`. */
  readonly platform?: string
  /** Command of a container. */
  readonly entrypoint?: readonly string[]
  /** Environment variables of a container, as `NAME=value`. */
  readonly env?: readonly string[]
  /** Files of the first layer, besides the random content. */
  readonly files?: readonly LayerFile[]
  /** Seed of the random content. Default `repo:tag`. Another seed gives another image. */
  readonly seed?: string
}

/** A pushed image. */
export interface PushedImage {
  /** Digest of the manifest or index of the tag. */
  readonly digest: string
}

const OTHER_PLATFORM = 'linux/s390x'

/**
 * Builds an image and pushes it as `repo:tag`. The same name and options always give the same digest.
 *
 * @throws HarnessError `RegistryRefused` when the registry does not accept it.
 */
export async function pushImage(
  store: ImageStore,
  target: string,
  options: ImageOptions = {},
): Promise<PushedImage> {
  const { repository, tag } = parseTarget(target)
  const kind = options.kind ?? 'image'
  if (kind === 'index-other-platform') return pushIndex(store, target, [OTHER_PLATFORM], options)
  const { manifest } = await pushContent(store, repository, makeImage(target, kind, options))
  await store.putManifest(repository, tag, manifest)
  return { digest: manifest.digest }
}

/**
 * Builds one image per platform and pushes an index of them as `repo:tag`. `manifests` has their digests in
 * the same order.
 */
export async function pushIndex(
  store: ImageStore,
  target: string,
  platforms: readonly string[],
  options: Omit<ImageOptions, 'kind' | 'platform'> = {},
): Promise<PushedImage & { readonly manifests: readonly string[] }> {
  const { repository, tag } = parseTarget(target)
  const entries: { platform: string; manifest: Manifest }[] = []
  for (const platform of platforms) {
    const image = makeImage(target, 'image', {
      ...options,
      platform,
      seed: `${options.seed ?? target} ${platform}`,
    })
    const { manifest } = await pushContent(store, repository, image)
    await store.putManifest(repository, manifest.digest, manifest)
    entries.push({ platform, manifest })
  }
  const index = buildIndex(entries)
  await store.putManifest(repository, tag, index)
  return { digest: index.digest, manifests: entries.map(entry => entry.manifest.digest) }
}

/** Adds another tag to the image of `repo:tag` in the same repository. */
export async function retag(store: ImageStore, target: string, newTag: string): Promise<PushedImage> {
  const { repository, tag } = parseTarget(target)
  const manifest = await store.getManifest(repository, tag)
  await store.putManifest(repository, newTag, manifest)
  return { digest: manifest.digest }
}

/** Copies an image of one platform, `repo:tag`, from a registry into another store under another tag. */
export async function copyImage(
  from: RegistryClient,
  to: ImageStore,
  target: string,
  newTag: string,
): Promise<void> {
  const { repository, tag } = parseTarget(target)
  const manifest = await from.getManifest(repository, tag)
  const { config, layers } = JSON.parse(manifest.content.toString()) as {
    config: { digest: string }
    layers: { digest: string }[]
  }
  for (const { digest } of [config, ...layers]) {
    await to.putBlob(repository, await from.getBlob(repository, digest))
  }
  await to.putManifest(repository, newTag, manifest)
}

async function pushContent(store: ImageStore, repository: string, image: OciImage): Promise<OciImage> {
  await Promise.all(image.blobs.map(blob => store.putBlob(repository, blob)))
  return image
}

function makeImage(target: string, kind: ImageKind, options: ImageOptions): OciImage {
  const seed = options.seed ?? target
  if (kind === 'artifact') return buildArtifact('application/vnd.acme.model.v1+json', `model ${seed}\n`)
  return buildImage({
    platform: kind === 'manifest-other-platform' ? OTHER_PLATFORM : (options.platform ?? 'linux/amd64'),
    config: {
      ...(options.entrypoint && { Entrypoint: options.entrypoint }),
      ...(options.env && { Env: options.env }),
    },
    layers: kind === 'no-layers' ? [] : makeLayers(seed, kind, options),
    format: kind === 'docker-schema2' ? 'docker' : 'oci',
  })
}

function makeLayers(seed: string, kind: ImageKind, options: ImageOptions): LayerFile[][] {
  const count = options.layers ?? (kind === 'sixty-layers' ? 60 : 1)
  const size = Math.ceil((options.sizeBytes ?? 1024) / count)
  return Array.from({ length: count }, (_, index) => [
    ...(index === 0 ? (options.files ?? []) : []),
    { path: `content/${index}.bin`, content: randomBytes(`${seed} ${index}`, size) },
  ])
}
