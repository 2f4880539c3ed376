import { setTimeout as delay } from 'node:timers/promises'
import { JOB_ANNOTATIONS, REMOVAL_ANNOTATIONS } from '../../../src/api/constants.ts'
import type { KubeObject } from '../../../src/api/object.ts'
import { type RemovalAnswer, encodeResult, parseRequest } from '../../../src/cri/removal/index.ts'
import { type KubeClient, type Resource, isKubeError } from '../../../src/kube/index.ts'
import type { TestedNode } from './tested-node.ts'

interface Container {
  readonly name: string
  readonly image: string
  readonly volumeMounts?: readonly { readonly name: string }[]
}

interface ImageVolume {
  readonly name: string
  readonly image?: { readonly reference: string; readonly pullPolicy: 'Always' | 'IfNotPresent' }
}

interface PodSpec {
  readonly nodeName?: string
  readonly volumes?: readonly ImageVolume[]
  readonly containers: readonly Container[]
}

interface Job extends KubeObject {
  readonly spec: { readonly template: { readonly metadata: object; readonly spec: PodSpec } }
}

interface Pod extends KubeObject {
  readonly spec: PodSpec
  readonly status?: { readonly phase?: string; readonly startTime?: string }
}

/** State of a container as the API has it. */
type State = object

/** How often it looks, in milliseconds. */
const LOOK_MS = 50

/**
 * A model of the job controller and of the kubelet of one node, over a real API server: it makes Pods for
 * Jobs, and writes into their status what happens on the node.
 */
export class JobKubelet {
  readonly #node: TestedNode
  readonly #namespaces: readonly string[]
  readonly #jobs: Resource<Job>
  readonly #pods: Resource<Pod>
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  /** Starts it for the Jobs of these namespaces. */
  constructor(client: KubeClient, node: TestedNode, namespaces: readonly string[]) {
    this.#node = node
    this.#namespaces = namespaces
    this.#jobs = client.resource({
      group: 'batch',
      version: 'v1',
      plural: 'jobs',
      kind: 'Job',
      namespaced: true,
    })
    this.#pods = client.resource({ group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true })
    this.#running = this.#run()
  }

  /** Deletes all Jobs and Pods. */
  async deleteAll(): Promise<void> {
    for (const namespace of this.#namespaces) {
      for (const { metadata } of (await this.#jobs.list({ namespace })).items) {
        await ignoreAbsent(this.#jobs.delete(metadata, { propagationPolicy: 'Background' }))
      }
      for (const pod of (await this.#pods.list({ namespace })).items) await this.#delete(pod)
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      for (const namespace of this.#namespaces) await this.#look(namespace)
      await delay(LOOK_MS)
    }
  }

  async #look(namespace: string): Promise<void> {
    const { items: jobs } = await this.#jobs.list({ namespace })
    const { items: pods } = await this.#pods.list({ namespace })
    for (const job of jobs) {
      if (!pods.some(pod => ownerOf(pod) === job.metadata.uid)) await this.#createPod(job)
    }
    for (const pod of pods) {
      const isOwned = jobs.some(job => ownerOf(pod) === job.metadata.uid)
      if (!isOwned || pod.metadata.deletionTimestamp) await this.#delete(pod)
      else if (pod.status?.phase === 'Pending') await this.#runPod(pod)
    }
  }

  async #createPod({ metadata: { name, namespace, uid = '' }, spec: { template } }: Job): Promise<void> {
    const ownerReferences = [{ apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true }]
    const metadata = { ...template.metadata, name: `${name}-pod`, namespace, ownerReferences }
    try {
      await this.#pods.create({ metadata, spec: template.spec } as Pod)
    } catch (error) {
      if (!isKubeError(error, 'AlreadyExists')) throw error
    }
  }

  /** As the kubelet does when it has ended the containers. */
  async #delete({ metadata }: Pod): Promise<void> {
    await ignoreAbsent(this.#pods.delete(metadata, { gracePeriodSeconds: 0 }))
  }

  async #runPod(pod: Pod): Promise<void> {
    const request = pod.metadata.annotations?.[REMOVAL_ANNOTATIONS.request]
    const states = request === undefined ? this.#pull(pod) : [this.#remove(request)]
    const hasEnded = states.every(state => 'terminated' in state)
    const status = {
      phase: hasEnded ? 'Succeeded' : 'Pending',
      startTime: pod.status?.startTime ?? new Date().toISOString(),
      containerStatuses: pod.spec.containers.map(({ name, image }, index) => ({
        name,
        image,
        imageID: '',
        ready: false,
        restartCount: 0,
        state: states[index],
      })),
    }
    await ignoreAbsent(this.#pods.mergePatch(pod.metadata, { status }, { subresource: 'status' }))
  }

  /** All image volumes are tried one after the other before any container starts. */
  #pull({ metadata: { uid = '' }, spec: { volumes = [], containers } }: Pod): State[] {
    const results = new Map<string, string>()
    for (const { name, image } of volumes) {
      if (!image) throw new Error(`the volume ${name} of a Job with ${JOB_ANNOTATIONS.images} has no image`)
      const words = this.#node.pull(uid, image.reference, image.pullPolicy)
      if (words === undefined) return containers.map(() => ({ waiting: { reason: 'ContainerCreating' } }))
      results.set(name, words)
    }
    return containers.map(({ name, volumeMounts = [] }) => {
      // The container of a mesh never ends.
      if (name === 'proxy') return { running: { startedAt: new Date().toISOString() } }
      const message = volumeMounts.map(({ name }) => results.get(name)).find(Boolean)
      return message === undefined
        ? { terminated: { reason: 'Completed', exitCode: 0 } }
        : { waiting: { reason: 'ErrImagePull', message } }
    })
  }

  #remove(request: string): State {
    const { remove, keep } = parseRequest(request)
    const answers = remove.map((image): RemovalAnswer => {
      if (keep.includes(image)) return { outcome: 'WantedByOthers', detail: '' }
      return { outcome: this.#node.remove(image) ? 'Removed' : 'InUse', detail: '' }
    })
    const message = encodeResult({ kind: 'Done', runtime: 'model', removedBytes: 0, answers })
    return { terminated: { reason: 'Completed', exitCode: 0, message } }
  }
}

function ownerOf({ metadata }: Pod): string | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller)?.uid
}

async function ignoreAbsent(request: Promise<unknown>): Promise<void> {
  try {
    await request
  } catch (error) {
    if (!isKubeError(error, 'NotFound', 'Conflict')) throw error
  }
}
