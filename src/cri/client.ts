import { JOB_LABELS } from '../api/constants.ts'
import { Channel, type CallOptions } from './channel.ts'
import { isCriError } from './errors.ts'
import { ImagesDefinition } from './generated/containerd-images.ts'
import {
  type Container,
  type Image,
  type ImageSpec,
  ImageServiceDefinition as ImageService,
  RuntimeServiceDefinition as RuntimeService,
} from './generated/cri.ts'

/** Name and versions of a runtime, as it reports them. */
export interface RuntimeVersion {
  /** `containerd`, `cri-o`, `docker`. */
  readonly name: string
  readonly version: string
  /** Version of the CRI: `v1`. */
  readonly apiVersion: string
}

/** An image in the runtime's list. */
export interface CriImage {
  /** Digest of the image's configuration. CRI-O omits `sha256:`. */
  readonly id: string
  /** `docker.io/library/nginx:1.23`, … */
  readonly repoTags: readonly string[]
  /** `docker.io/library/nginx@sha256:…`, … */
  readonly repoDigests: readonly string[]
  /** Size on disk, as far as the runtime knows it. */
  readonly sizeBytes: number
  /** True when the runtime protects the image from garbage collection, such as the sandbox image. */
  readonly pinned: boolean
}

/** A container in any state. */
export interface CriContainer {
  readonly id: string
  readonly name: string
  /** `namespace/name` of its Pod. Empty when the runtime does not know it. */
  readonly pod: string
  /**
   * IDs and digests of the image that it was created from and of the images that it mounts. Names of an
   * image of which the runtime gives neither.
   */
  readonly images: readonly string[]
  /**
   * True for an exited container of an ended pull Pod of this product. The kubelet keeps it up to a minute
   * longer.
   */
  readonly leftover: boolean
}

/** The runtime answers a version call at once or not at all. List calls may wait for a large disk. */
const PROBE_MS = 5_000
const READ_MS = 30_000
/** The kubelet's `runtimeRequestTimeout`. */
const REMOVE_MS = 120_000

/** CRI states `CONTAINER_EXITED` and `SANDBOX_NOTREADY`. */
const EXITED = 2
const NOT_READY = 1

/** Namespace of Kubernetes' images in containerd. */
const CONTAINERD_HEADERS = { 'containerd-namespace': 'k8s.io' }

/** A client of a node's container runtime over its unix socket. Each method throws only `CriError`. */
export class CriClient {
  readonly #channel: Channel
  readonly #signal: AbortSignal | undefined
  /** Images mounted by each container. The mounts of a container never change. */
  #mountedBy = new Map<string, readonly string[]>()

  /** @param signal ends each call with `Aborted` */
  constructor(socketPath: string, options: { readonly signal?: AbortSignal } = {}) {
    this.#channel = new Channel(socketPath)
    this.#signal = options.signal
  }

  /** Reads the name and version of the runtime. */
  async version(): Promise<RuntimeVersion> {
    const answer = await this.#channel.call(
      RuntimeService,
      RuntimeService.methods.version,
      { version: 'v1' },
      this.#within(PROBE_MS),
    )
    return {
      name: answer.runtimeName,
      version: answer.runtimeVersion,
      apiVersion: answer.runtimeApiVersion,
    }
  }

  /** All images of the node, also those without a name. */
  async listImages(): Promise<readonly CriImage[]> {
    const { images } = await this.#channel.call(
      ImageService,
      ImageService.methods.listImages,
      {},
      this.#within(READ_MS),
    )
    return images.map(toImage)
  }

  /** The image with this ID or name. Undefined when the node has none. */
  async imageStatus(nameOrId: string): Promise<CriImage | undefined> {
    const { image } = await this.#channel.call(
      ImageService,
      ImageService.methods.imageStatus,
      { image: specOf(nameOrId) },
      this.#within(READ_MS),
    )
    return image && toImage(image)
  }

  /**
   * Removes an image with **every tag and digest of its ID**. containerd also removes an image that a
   * container uses. CRI-O and Docker then answer `InUse`. Removing a missing image succeeds.
   *
   * @param nameOrId the ID as the runtime lists it. With a name, containerd also removes the whole image,
   * CRI-O removes only this name (its only way to remove an artifact), and cri-dockerd does nothing
   */
  async removeImage(nameOrId: string): Promise<void> {
    await this.#channel.call(
      ImageService,
      ImageService.methods.removeImage,
      { image: specOf(nameOrId) },
      this.#within(REMOVE_MS),
    )
  }

  /**
   * Removes one name of an image and keeps the other names. The CRI has no such call. containerd's own API on
   * the same socket has one. For a runtime whose `canRemoveNames` is true. Removing a missing name succeeds.
   *
   * @param name as the runtime lists it
   */
  async removeName(name: string): Promise<void> {
    try {
      const options = { ...this.#within(REMOVE_MS), headers: CONTAINERD_HEADERS }
      // `sync` waits for containerd's garbage collection, so that the content is gone with the last name.
      await this.#channel.call(
        ImagesDefinition,
        ImagesDefinition.methods.delete,
        { name, sync: true },
        options,
      )
    } catch (error) {
      if (!isCriError(error, 'NotFound')) throw error
    }
  }

  /** Removes a container, running or not. Removing a missing container succeeds. */
  async removeContainer(id: string): Promise<void> {
    try {
      await this.#channel.call(
        RuntimeService,
        RuntimeService.methods.removeContainer,
        { containerId: id },
        this.#within(REMOVE_MS),
      )
    } catch (error) {
      if (!isCriError(error, 'NotFound')) throw error
    }
  }

  /** All containers, running or not, with the images that they use. Sandboxes are not included. */
  async listContainers(): Promise<readonly CriContainer[]> {
    const over = await this.#endedPullPods()
    const { containers } = await this.#channel.call(
      RuntimeService,
      RuntimeService.methods.listContainers,
      {},
      this.#within(READ_MS),
    )
    const mountedBy = new Map<string, readonly string[]>()
    for (const { id } of containers) {
      mountedBy.set(id, this.#mountedBy.get(id) ?? (await this.#mountedImages(id)))
    }
    this.#mountedBy = mountedBy
    return containers.map(container => {
      const leftover = container.state === EXITED && over.has(container.podSandboxId)
      return { ...toContainer(container, mountedBy.get(container.id) ?? []), leftover }
    })
  }

  /** Closes the connection. */
  close(): void {
    this.#channel.close()
  }

  /** IDs of the ended sandboxes of this product's pull Pods. */
  async #endedPullPods(): Promise<ReadonlySet<string>> {
    const { items } = await this.#channel.call(
      RuntimeService,
      RuntimeService.methods.listPodSandbox,
      { filter: { labelSelector: { ...JOB_LABELS } } },
      this.#within(READ_MS),
    )
    return new Set(items.filter(({ state }) => state === NOT_READY).map(({ id }) => id))
  }

  async #mountedImages(id: string): Promise<readonly string[]> {
    try {
      const { status } = await this.#channel.call(
        RuntimeService,
        RuntimeService.methods.containerStatus,
        { containerId: id },
        this.#within(READ_MS),
      )
      return status?.mounts.flatMap(mount => namesIn(mount.image)) ?? []
    } catch (error) {
      if (isCriError(error, 'NotFound')) return [] // removed after it was listed
      throw error
    }
  }

  #within(timeoutMs: number): CallOptions {
    return { timeoutMs, signal: this.#signal }
  }
}

function specOf(image: string): ImageSpec {
  return { image, userSpecifiedImage: '', imageRef: '' }
}

function toImage({ id, repoTags, repoDigests, size, pinned }: Image): CriImage {
  return { id, repoTags, repoDigests, sizeBytes: size, pinned }
}

function toContainer(container: Container, mounted: readonly string[]): Omit<CriContainer, 'leftover'> {
  const { id, metadata, labels, image, imageRef, imageId } = container
  const namespace = labels['io.kubernetes.pod.namespace'] ?? ''
  const pod = labels['io.kubernetes.pod.name'] ?? ''
  const made = imageId === '' ? namesIn(image, imageRef) : [imageId]
  return {
    id,
    name: metadata?.name ?? '',
    pod: pod === '' ? '' : `${namespace}/${pod}`,
    images: [...made, ...mounted],
  }
}

/**
 * IDs and digests, where the runtime gives one: a tag may belong to another image by now. Else all names:
 * rather keep an image too long.
 */
function namesIn(spec: ImageSpec | undefined, imageRef = ''): string[] {
  const { image = '', userSpecifiedImage = '' } = spec ?? {}
  const names = [image, spec?.imageRef ?? '', imageRef, userSpecifiedImage].filter(name => name !== '')
  const fixed = names.filter(name => /^(sha256:)?[0-9a-f]{64}$|@sha(256|384|512):/.test(name))
  return fixed.length > 0 ? fixed : names
}
