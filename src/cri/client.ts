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

/** What a runtime says of itself. */
export interface RuntimeVersion {
  /** `containerd`, `cri-o`, `docker`. */
  readonly name: string
  readonly version: string
  /** Version of the CRI: `v1`. */
  readonly apiVersion: string
}

/** An image in the runtime's list. */
export interface CriImage {
  /** Digest of the image's configuration; CRI-O leaves the `sha256:` out. */
  readonly id: string
  /** `docker.io/library/nginx:1.23`, … */
  readonly repoTags: readonly string[]
  /** `docker.io/library/nginx@sha256:…`, … */
  readonly repoDigests: readonly string[]
  /** On disk as far as the runtime knows it. */
  readonly sizeBytes: number
  /** The runtime keeps it from garbage collection: the sandbox image among others. */
  readonly pinned: boolean
}

/** A container of any state. */
export interface CriContainer {
  readonly id: string
  readonly name: string
  /** `namespace/name` of its Pod; empty where the runtime does not know it. */
  readonly pod: string
  /** The ID of the image that it was made from, or its names where the runtime gives no ID; and the names and IDs of those that it mounts. */
  readonly images: readonly string[]
  /** What is left of a Pod of ours that pulled and is over: a kubelet keeps its containers up to a minute longer. */
  readonly leftover: boolean
}

/** Version answers at once or not at all; what answers slowly has a large disk to work on. */
const PROBE_MS = 5_000
const READ_MS = 30_000
/** The kubelet's `runtimeRequestTimeout`. */
const REMOVE_MS = 120_000

/** `CONTAINER_EXITED`, `SANDBOX_NOTREADY`. */
const EXITED = 2
const NOT_READY = 1

/** The namespace that containerd's CRI plugin keeps Kubernetes' images in. */
const CONTAINERD_HEADERS = { 'containerd-namespace': 'k8s.io' }

/** A client of a node's container runtime, over its unix socket. Every method throws `CriError` and nothing else. */
export class CriClient {
  readonly #channel: Channel
  readonly #signal: AbortSignal | undefined
  /** Images mounted by each container; a container's mounts never change. */
  #mountedBy = new Map<string, readonly string[]>()

  /** @param signal ends every call with `Aborted` */
  constructor(socketPath: string, options: { readonly signal?: AbortSignal } = {}) {
    this.#channel = new Channel(socketPath)
    this.#signal = options.signal
  }

  /** Asks the runtime who it is. */
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

  /** All images of the node, those without a name included. */
  async listImages(): Promise<readonly CriImage[]> {
    const { images } = await this.#channel.call(
      ImageService,
      ImageService.methods.listImages,
      {},
      this.#within(READ_MS),
    )
    return images.map(toImage)
  }

  /** The image that an ID or a name stands for; undefined where the node has none. */
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
   * Removes an image with **every tag and digest of its ID**. containerd does so whether or not a container uses it, for
   * CRI-O and Docker that is `InUse`. Removing what is not there succeeds.
   *
   * @param nameOrId the ID as the runtime lists it. Of a name, containerd makes the same; CRI-O takes this name off alone,
   *   but removes artifacts by nothing else; cri-dockerd does nothing
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
   * Takes one name off an image and leaves its other names. The CRI has no such call; containerd's own API, on the same
   * socket, has. For a runtime whose `canRemoveNames` is true. Removing a name that is not there succeeds.
   *
   * @param name as the runtime lists it
   */
  async removeName(name: string): Promise<void> {
    try {
      const options = { ...this.#within(REMOVE_MS), headers: CONTAINERD_HEADERS }
      // In step with containerd's garbage collection, so that a last name takes its content along.
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

  /** Removes a container, running or not. Removing one that is not there succeeds. */
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

  /** All containers, running or not, with all that they use. Sandboxes are not among them. */
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

  /** IDs of the sandboxes of Pods that pulled for a cache, and which the kubelet has ended. */
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
      if (isCriError(error, 'NotFound')) return [] // removed since it was listed
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
  // A name may have moved on to another image since.
  const made = imageId === '' ? [...namesIn(image), imageRef] : [imageId]
  return {
    id,
    name: metadata?.name ?? '',
    pod: pod === '' ? '' : `${namespace}/${pod}`,
    images: [...made, ...mounted].filter(name => name !== ''),
  }
}

function namesIn(spec: ImageSpec | undefined): string[] {
  return spec ? [spec.image, spec.imageRef, spec.userSpecifiedImage].filter(name => name !== '') : []
}
