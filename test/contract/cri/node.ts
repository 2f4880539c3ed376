import { JOB_LABELS } from '../../../src/api/constants.ts'
import { Channel, type UnaryMethod } from '../../../src/cri/channel.ts'
import {
  ImageServiceDefinition as ImageService,
  type Mount,
  NamespaceMode,
  type PodSandboxConfig,
  RuntimeServiceDefinition as RuntimeService,
} from './generated/pods.ts'

/** Acts as a kubelet on a node: pulls images and creates containers through the CRI. */
export class Node {
  readonly #channel: Channel
  readonly #cgroupParent: string

  /** @param cgroupParent cgroup parent of its sandboxes */
  constructor(socketPath: string, cgroupParent: string) {
    this.#channel = new Channel(socketPath)
    this.#cgroupParent = cgroupParent
  }

  /** Pulls an image. Returns its ID. */
  async pull(image: string): Promise<string> {
    const { imageRef } = await this.#call(ImageService, ImageService.methods.pullImage, {
      image: specOf(image),
    })
    return imageRef
  }

  /**
   * Creates a Pod with one container, which is not started, from an image. The container mounts a second
   * image if one is given, by its ID as the kubelet does where `text` is the reference of the Pod.
   */
  async createContainer(name: string, image: string, mounted?: string, text = mounted): Promise<void> {
    await this.#create(name, image, mounted === undefined ? [] : [mount('/volume', mounted, text)])
  }

  /** Creates an ended pull Pod of this product. Its container is left over. */
  async createEndedPull(name: string, image: string): Promise<void> {
    const { podSandboxId, containerId } = await this.#create(name, image, [], JOB_LABELS)
    await this.#call(RuntimeService, RuntimeService.methods.startContainer, { containerId })
    await this.#call(RuntimeService, RuntimeService.methods.stopContainer, { containerId })
    await this.#call(RuntimeService, RuntimeService.methods.stopPodSandbox, { podSandboxId })
  }

  async #create(name: string, image: string, mounts: Mount[], labels: Record<string, string> = {}) {
    const config = { ...this.#sandbox(name), labels }
    const { podSandboxId } = await this.#call(RuntimeService, RuntimeService.methods.runPodSandbox, {
      config,
    })
    this.#sandboxes.set(name, podSandboxId)
    const { containerId } = await this.#call(RuntimeService, RuntimeService.methods.createContainer, {
      podSandboxId,
      sandboxConfig: config,
      config: {
        metadata: { name },
        image: specOf(image),
        command: ['/bin/busybox', 'sleep', '2147483647'],
        mounts,
        labels: { 'io.kubernetes.pod.namespace': 'shop', 'io.kubernetes.pod.name': name },
        linux: { securityContext: { namespaceOptions: NAMESPACES } },
      },
    })
    return { podSandboxId, containerId }
  }

  /** Removes a Pod with its container. */
  async removePod(name: string): Promise<void> {
    const podSandboxId = this.#sandboxes.get(name) ?? ''
    await this.#call(RuntimeService, RuntimeService.methods.stopPodSandbox, { podSandboxId })
    await this.#call(RuntimeService, RuntimeService.methods.removePodSandbox, { podSandboxId })
  }

  close(): void {
    this.#channel.close()
  }

  readonly #sandboxes = new Map<string, string>()

  #sandbox(name: string): Omit<PodSandboxConfig, 'labels'> {
    return {
      metadata: { name, uid: name, namespace: 'shop' },
      logDirectory: '',
      linux: { cgroupParent: this.#cgroupParent, securityContext: { namespaceOptions: NAMESPACES } },
    }
  }

  #call<Request, Response>(
    service: { readonly fullName: string },
    method: UnaryMethod<Request, Response>,
    request: Request,
  ): Promise<Response> {
    return this.#channel.call(service, method, request, { timeoutMs: 60_000 })
  }
}

/** As a kubelet requests for a Pod in the host network. */
const NAMESPACES = { network: NamespaceMode.NODE, pid: NamespaceMode.CONTAINER, ipc: NamespaceMode.POD }

function specOf(image: string) {
  return { image, userSpecifiedImage: image }
}

function mount(containerPath: string, image: string, userSpecifiedImage = image): Mount {
  return { containerPath, readonly: true, image: { image, userSpecifiedImage } }
}
