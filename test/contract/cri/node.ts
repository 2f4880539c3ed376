import { Channel, type UnaryMethod } from '../../../src/cri/channel.ts'
import type { Containerd } from '../../harness/containerd.ts'
import {
  ImageServiceDefinition as ImageService,
  NamespaceMode,
  type PodSandboxConfig,
  RuntimeServiceDefinition as RuntimeService,
} from './generated/pods.ts'

/** What a kubelet does on a node: pulls images and makes containers, by the CRI. */
export class Node {
  readonly #channel: Channel
  readonly #cgroupParent: string

  constructor(containerd: Containerd) {
    this.#channel = new Channel(containerd.socketPath)
    this.#cgroupParent = containerd.cgroupParent
  }

  /** Pulls an image; answers its ID. */
  async pull(image: string): Promise<string> {
    const { imageRef } = await this.#call(ImageService, ImageService.methods.pullImage, { image: { image } })
    return imageRef
  }

  /** Makes a Pod of one container that is never started, from an image and with another mounted where one is given. */
  async createContainer(name: string, image: string, mounted?: string): Promise<void> {
    const config = this.#sandbox(name)
    const { podSandboxId } = await this.#call(RuntimeService, RuntimeService.methods.runPodSandbox, {
      config,
    })
    const mounts = mounted === undefined ? [] : [mount('/volume', mounted)]
    await this.#call(RuntimeService, RuntimeService.methods.createContainer, {
      podSandboxId,
      sandboxConfig: config,
      config: {
        metadata: { name },
        image: { image },
        command: ['/bin/busybox', 'true'],
        mounts,
        labels: { 'io.kubernetes.pod.namespace': 'shop', 'io.kubernetes.pod.name': name },
      },
    })
    this.#sandboxes.set(name, podSandboxId)
  }

  /** Removes a Pod again, with its container. */
  async removePod(name: string): Promise<void> {
    const podSandboxId = this.#sandboxes.get(name) ?? ''
    await this.#call(RuntimeService, RuntimeService.methods.stopPodSandbox, { podSandboxId })
    await this.#call(RuntimeService, RuntimeService.methods.removePodSandbox, { podSandboxId })
  }

  close(): void {
    this.#channel.close()
  }

  readonly #sandboxes = new Map<string, string>()

  #sandbox(name: string): PodSandboxConfig {
    const namespaceOptions = {
      network: NamespaceMode.NODE,
      pid: NamespaceMode.CONTAINER,
      ipc: NamespaceMode.POD,
    }
    return {
      metadata: { name, uid: name, namespace: 'shop' },
      logDirectory: '',
      linux: { cgroupParent: this.#cgroupParent, securityContext: { namespaceOptions } },
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

function mount(containerPath: string, image: string) {
  return { containerPath, readonly: true, image: { image } }
}
