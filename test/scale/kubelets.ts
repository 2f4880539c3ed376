import { setTimeout as delay } from 'node:timers/promises'
import { JOB_SELECTOR } from '../../src/api/constants.ts'
import type { KubeObject } from '../../src/api/object.ts'
import { Informer, isKubeError, type KubeClient, type Resource } from '../../src/kube/index.ts'

/** Simulated kubelets: every pull Pod pulls its images, one after the other on a node, and succeeds. */

interface Container {
  readonly name: string
  readonly image: string
}

interface Pod extends KubeObject {
  readonly spec: {
    readonly nodeName?: string
    readonly volumes?: readonly { readonly image?: object }[]
    readonly initContainers?: readonly Container[]
    readonly containers: readonly Container[]
  }
  readonly status?: { readonly phase?: string }
}

const ENDED: readonly (string | undefined)[] = ['Succeeded', 'Failed']

/** The kubelets of all nodes. */
export class Kubelets {
  readonly #pods: Resource<Pod>
  readonly #pullMs: number
  /** Pods that were begun, by UID. */
  readonly #begun = new Set<string>()
  /** The end of the last pull of each node. */
  readonly #busy = new Map<string, Promise<void>>()
  #failure: unknown

  /** @param pullMs milliseconds for one image */
  constructor(client: KubeClient, pullMs: number) {
    this.#pods = client.resource<Pod>({
      group: '',
      version: 'v1',
      plural: 'pods',
      kind: 'Pod',
      namespaced: true,
    })
    this.#pullMs = pullMs
  }

  /** Runs until the signal fires. Throws the first unexpected answer of the API server. */
  async run(signal: AbortSignal): Promise<void> {
    const pods = new Informer<Pod>(this.#pods, { labelSelector: JOB_SELECTOR })
    pods.subscribe(({ type, object }) => {
      if (type === 'deleted') this.#begun.delete(object.metadata.uid ?? '')
      else this.#look(object, signal)
    })
    await pods.run(signal)
    await Promise.all(this.#busy.values())
    if (this.#failure) throw new Error('a simulated kubelet failed', { cause: this.#failure })
  }

  #look(pod: Pod, signal: AbortSignal): void {
    const { uid = '', deletionTimestamp } = pod.metadata
    const node = pod.spec.nodeName
    if (!node) return
    if (deletionTimestamp) {
      this.#do(node, () => this.#pods.delete(pod.metadata, { gracePeriodSeconds: 0 }), Promise.resolve())
      return
    }
    if (this.#begun.has(uid) || ENDED.includes(pod.status?.phase)) return
    this.#begun.add(uid)
    this.#do(node, () => this.#pull(pod, signal), this.#busy.get(node))
  }

  /** Works after another piece of work of the node. A Pod that is gone needs no more work. */
  #do(node: string, work: () => Promise<void>, after: Promise<void> | undefined): void {
    const done = (after ?? Promise.resolve()).then(work).catch((error: unknown) => {
      if (!isKubeError(error, 'NotFound', 'Conflict', 'Aborted')) this.#failure ??= error
    })
    this.#busy.set(node, done)
  }

  async #pull(pod: Pod, signal: AbortSignal): Promise<void> {
    const { initContainers = [], containers, volumes = [] } = pod.spec
    const startTime = new Date().toISOString()
    const waiting = { waiting: { reason: 'ContainerCreating' } }
    await this.#report(pod, {
      phase: 'Pending',
      startTime,
      conditions: [{ type: 'PodReadyToStartContainers', status: 'True' }],
      containerStatuses: containers.map(container => statusOf(container, waiting)),
    })
    const images = volumes.filter(volume => volume.image).length || containers.length
    await delay(images * this.#pullMs)
    if (signal.aborted) return
    const finishedAt = new Date().toISOString()
    const ended = { terminated: { exitCode: 0, reason: 'Completed', startedAt: finishedAt, finishedAt } }
    await this.#report(pod, {
      phase: 'Succeeded',
      startTime,
      initContainerStatuses: initContainers.map(container => statusOf(container, ended)),
      containerStatuses: containers.map(container => statusOf(container, ended)),
    })
  }

  async #report(pod: Pod, status: object): Promise<void> {
    const { name, namespace, uid } = pod.metadata
    // With the UID, so that a later Pod of the same name is never written.
    await this.#pods.mergePatch({ name, namespace }, { metadata: { uid }, status }, { subresource: 'status' })
  }
}

function statusOf({ name, image }: Container, state: object): object {
  return { name, image, imageID: '', ready: false, restartCount: 0, started: false, state }
}
