import { normalizedName, parseReference } from '../../../oci/reference.ts'
import type { LedgerEntry, NodeImagesSpec } from '../../../api/node-images.ts'
import type { NodeFacts } from '../../../core/node/index.ts'
import { nodeOf } from '../../../../test/builders/node.ts'
import type { PullMethod } from './job-settings.ts'
import type { RawJob } from './pull-job.ts'
import type { RawPod } from './pull-pod.ts'
import { hostOf } from '../../../oci/registry-host.ts'

/**
 * A model of kubelets and registries, for the tests of the Job engine.
 * It knows nothing of the engine but the manifests that the engine writes.
 */

/** How a registry answers for an image: always so, or with 503 for that many pulls. */
export type Outcome = 'ok' | 'missing' | 'denied' | { readonly errors: number }

/** What a node is like. */
export interface NodeModel {
  readonly method: PullMethod
  /** Its image list is whole. */
  readonly listed: boolean
  /** Milliseconds by which its clock is ahead. */
  readonly skewMs?: number
}

/** A Job and its Pod, and how far the kubelet has come with it. */
export interface SimJob {
  readonly raw: RawJob & { spec: Record<string, unknown> }
  readonly pod: RawPod
  readonly order: readonly string[]
  readonly always: ReadonlySet<string>
  readonly results: Map<string, string>
  /** When the present step ends, in milliseconds since the epoch. */
  nextAt: number
  begun: boolean
  deleted: boolean
  finished: boolean
}

/** A node: what is on it, the plan, and the ledger. */
export interface SimNode {
  readonly name: string
  readonly model: NodeModel
  readonly store: Set<string>
  readonly tries: Map<string, number>
  facts: NodeFacts
  listAt: number
  plan: NodeImagesSpec
  ledger: readonly LedgerEntry[]
  jobs: SimJob[]
  wakeAt: number
}

/** One attempt of a kubelet at a registry. */
export interface Attempt {
  readonly node: string
  readonly image: string
  readonly at: number
}

const PULL_MS = 200
const SILENCE_MS = 10_000
/** From when a Job is made until its Pod begins to pull, in milliseconds. */
export const START_MS = 700
const LIST_MS = 40_000

/** The kubelets of all nodes, and the registries that they pull from. */
export class TestKubelets {
  readonly attempts: Attempt[] = []
  readonly #now: () => number
  readonly #outcomes: ReadonlyMap<string, Outcome>
  readonly #silentUntil: ReadonlyMap<string, number>

  /**
   * @param now milliseconds since the epoch
   * @param silentUntil in milliseconds since the epoch, by host: it does not answer before
   */
  constructor(
    now: () => number,
    outcomes: ReadonlyMap<string, Outcome>,
    silentUntil: ReadonlyMap<string, number>,
  ) {
    this.#now = now
    this.#outcomes = outcomes
    this.#silentUntil = silentUntil
  }

  /**
   * Removes an image from a node without the knowledge of the controller. An image that no list has shown
   * would be missed at the next check only, so it stays.
   */
  remove(node: SimNode, image: string): void {
    const isListed = node.ledger.some(entry => entry.image === image && entry.presence?.listed === true)
    if (isListed && node.store.delete(image)) node.listAt = this.#now() + LIST_MS
  }

  /** Brings the kubelet of a node to the present. */
  look(node: SimNode): void {
    if (node.listAt <= this.#now()) {
      node.facts = factsOf(node.name, node.model, [...node.store], this.#now() + 60_001)
      node.listAt = Infinity
      node.wakeAt = this.#now()
    }
    for (const job of pulling(node)) this.#advance(node, job)
    for (const job of node.jobs) {
      if (job.deleted && job.finished) node.jobs = node.jobs.filter(other => other !== job)
    }
  }

  /** Pulls are serial. With image volumes no container starts before all images are tried. */
  #advance(node: SimNode, job: SimJob): void {
    while (job.nextAt <= this.#now() && !job.finished) {
      const pending = job.order.find(image => !job.results.has(image))
      if (pending === undefined) {
        this.#end(job)
        node.wakeAt = this.#now()
        // A kubelet reports also where nothing is new.
        node.listAt = Math.min(node.listAt, this.#now() + LIST_MS)
        continue
      }
      if (!job.begun) {
        job.begun = true
        job.nextAt += this.#cost(node, job, pending)
        continue
      }
      job.results.set(pending, this.#pull(node, job, pending))
      const next = job.order.find(image => !job.results.has(image))
      if (isByContainer(job)) {
        this.#writeStatus(job)
        node.wakeAt = this.#now()
      }
      if (next !== undefined) job.nextAt += this.#cost(node, job, next)
    }
  }

  #cost(node: SimNode, job: SimJob, image: string): number {
    if (node.store.has(image) && !job.always.has(image)) return 10
    return this.#isSilent(image) ? SILENCE_MS : PULL_MS
  }

  #isSilent(image: string): boolean {
    return this.#now() < (this.#silentUntil.get(hostOf(image)) ?? 0)
  }

  /** Empty where the image is there afterwards, else the words of the failure. */
  #pull(node: SimNode, job: SimJob, image: string): string {
    if (node.store.has(image) && !job.always.has(image)) return ''
    this.attempts.push({ node: node.name, image, at: this.#now() })
    const tries = (node.tries.get(image) ?? 0) + 1
    node.tries.set(image, tries)
    const prefix = `failed to pull and unpack image "${image}": failed to resolve image: ${image}: `
    if (this.#isSilent(image)) return `${prefix}dial tcp 10.0.0.1:443: i/o timeout`
    const outcome = this.#outcomes.get(image) ?? 'ok'
    if (outcome === 'missing') return `${prefix}not found`
    if (outcome === 'denied') return `${prefix}unexpected status from HEAD request: 401 Unauthorized`
    if (typeof outcome === 'object' && tries <= outcome.errors) return `${prefix}503 Service Unavailable`
    node.store.add(image)
    node.listAt = Math.min(node.listAt, this.#now() + LIST_MS)
    return ''
  }

  #end(job: SimJob): void {
    const failed = this.#writeStatus(job)
    if (failed) {
      // The kubelet tries again after its own pause, unless the Pod is deleted before.
      for (const [image, words] of job.results) if (words) job.results.delete(image)
      job.nextAt = this.#now() + SILENCE_MS
      job.begun = false
      return
    }
    job.finished = true
    if (job.pod.status) job.pod.status.phase = 'Succeeded'
    job.raw.status = { conditions: [{ type: 'Complete', status: 'True' }] }
  }

  #writeStatus(job: SimJob): boolean {
    const volumes = new Map(
      (job.pod.spec?.volumes ?? []).map(volume => [volume.name, volume.image?.reference ?? '']),
    )
    const containers = job.pod.spec?.containers ?? []
    let failed = false
    const statuses = containers.map(container => {
      const images = isByContainer(job)
        ? [container.image ?? '']
        : (container.volumeMounts ?? []).map(mount => volumes.get(mount.name) ?? '')
      const words = images.map(image => job.results.get(image)).find(result => result !== '')
      failed ||= words !== undefined && words !== ''
      if (words)
        return { name: container.name, state: { waiting: { reason: 'ErrImagePull', message: words } } }
      if (images.every(image => job.results.get(image) === '')) {
        return { name: container.name, state: { terminated: { reason: 'Completed' } } }
      }
      return { name: container.name, state: { waiting: { reason: 'ContainerCreating' } } }
    })
    if (job.pod.status) job.pod.status.containerStatuses = statuses
    return failed
  }
}

/** Jobs of a node whose Pod has not ended. */
export function pulling(node: SimNode): SimJob[] {
  return node.jobs.filter(job => !job.finished && !job.deleted)
}

function isByContainer(job: SimJob): boolean {
  return job.raw.metadata.annotations?.['kubefledged.io/pull-method'] === 'containers'
}

/** The Node object that a kubelet reports. */
export function factsOf(
  name: string,
  model: NodeModel,
  store: readonly string[],
  heartbeat: number,
): NodeFacts {
  const names = ['system.test/pause:1', ...store.map(image => normalizedName(parseReference(image)))]
  const heartbeatAt = new Date(heartbeat + (model.skewMs ?? 0)).toISOString()
  const node = nodeOf(name, model.listed ? names.map(image => [image]) : undefined, heartbeatAt)
  // The controller sees it when it comes, whatever the clock of the node says.
  return { ...node, listSeenAt: heartbeat }
}
