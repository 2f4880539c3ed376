import { createCipheriv, createHash } from 'node:crypto'
import { constants, gzipSync } from 'node:zlib'
import { type LayerFile, tar } from './tar.ts'

/** Bytes and their digest in a registry. */
export interface Blob {
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string
  readonly content: Buffer
}

/** A manifest or an index, as stored in a registry. */
export interface Manifest extends Blob {
  readonly mediaType: string
}

/** An image in memory: its manifest and all content of the manifest. */
export interface OciImage {
  readonly manifest: Manifest
  readonly blobs: readonly Blob[]
}

/** Media types of the OCI image specification 1.1 and of Docker's image manifest version 2, schema 2. */
export const MEDIA_TYPES = {
  oci: {
    index: 'application/vnd.oci.image.index.v1+json',
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
    empty: 'application/vnd.oci.empty.v1+json',
  },
  docker: {
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  },
} as const

/** Description of an image. */
export interface ImageSpec {
  /** `os/architecture`. */
  readonly platform: string
  /** The `config` object of the image configuration: `Entrypoint`, `Env`, … */
  readonly config: Readonly<Record<string, unknown>>
  /** Files of each layer. */
  readonly layers: readonly (readonly LayerFile[])[]
  /** Family of media types. */
  readonly format: 'oci' | 'docker'
}

/** `sha256:…` of the bytes. */
export function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}

/** Incompressible bytes. The same seed gives the same bytes. */
export function randomBytes(seed: string, size: number): Buffer {
  const key = createHash('sha256').update(seed).digest()
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size))
}

/** Builds an image from a description. The same description gives the same digests. */
export function buildImage(spec: ImageSpec): OciImage {
  const types = MEDIA_TYPES[spec.format]
  const layers = spec.layers.map(files => {
    const archive = tar(files)
    return { diffId: digestOf(archive), blob: toBlob(store(archive)) }
  })
  const [os, architecture] = spec.platform.split('/')
  const config = jsonBlob({
    architecture,
    os,
    created: '2020-01-01T00:00:00Z',
    config: spec.config,
    rootfs: { type: 'layers', diff_ids: layers.map(layer => layer.diffId) },
  })
  const manifest = toManifest(types.manifest, {
    config: describe(types.config, config),
    layers: layers.map(layer => describe(types.layer, layer.blob)),
  })
  return { manifest, blobs: [config, ...layers.map(layer => layer.blob)] }
}

/** An artifact that is no container image: an empty config and one text as the only layer. */
export function buildArtifact(artifactType: string, text: string): OciImage {
  const config = toBlob(Buffer.from('{}'))
  const content = toBlob(Buffer.from(text))
  const manifest = toManifest(MEDIA_TYPES.oci.manifest, {
    artifactType,
    config: describe(MEDIA_TYPES.oci.empty, config),
    layers: [describe(artifactType, content)],
  })
  return { manifest, blobs: [config, content] }
}

/** An image index of manifests, each with its platform. */
export function buildIndex(entries: readonly { platform: string; manifest: Manifest }[]): Manifest {
  return toManifest(MEDIA_TYPES.oci.index, {
    manifests: entries.map(({ platform, manifest }) => {
      const [os, architecture] = platform.split('/')
      return { ...describe(manifest.mediaType, manifest), platform: { os, architecture } }
    }),
  })
}

/** Gzip without compression: the content is random, and pushes must be fast. */
function store(archive: Buffer): Buffer {
  return gzipSync(archive, { level: constants.Z_NO_COMPRESSION })
}

function toBlob(content: Buffer): Blob {
  return { digest: digestOf(content), content }
}

function jsonBlob(value: unknown): Blob {
  return toBlob(Buffer.from(JSON.stringify(value)))
}

function toManifest(mediaType: string, body: object): Manifest {
  return { mediaType, ...jsonBlob({ schemaVersion: 2, mediaType, ...body }) }
}

function describe(mediaType: string, blob: Blob) {
  return { mediaType, digest: blob.digest, size: blob.content.length }
}
