import type { ImageCache } from '../../api/image-cache.ts'
import { type DesiredImage, type LedgerEntry, entryKey } from '../../api/node-images.ts'
import { isPermanent } from '../../api/failure-reasons.ts'
import { normalizedName, parseReference } from '../../image/reference.ts'
import {
  type CompiledCache,
  type NodeFacts,
  compileCache,
  planNode,
  startableKeys,
} from '../../plan/index.ts'
import { buildJob } from './build-job.ts'
import { decide } from './decide.ts'
import { answers, byKey } from './ledger.ts'
import type { Decision, JobRequest, NodeWork, PullMethod } from './node-work.ts'
import { type PullJob, type RawJob, projectJob } from './pull-job.ts'
import { type RawPod, projectPod } from './pull-pod.ts'
import { RegistryHealth } from './registry-health.ts'
import { hostOf } from './registry-host.ts'
import { SETTINGS, T0, controlledBy, nodeOf } from './testing.ts'

/**
 * A model of an API server, of kubelets and of registries, for the tests of the Job engine. It knows nothing of the
 * engine but the manifests that it writes, and checks at every Job what may never happen.
 */

/** How a registry answers for an image: always so, or with 503 for as many pulls as are said. */
export type Outcome = 'ok' | 'missing' | 'denied' | { readonly errors: number }

/** What a node is like. */
export interface NodeModel {
  readonly method: PullMethod
  /** Its list of images names them all. */
  readonly listed: boolean
}

/** How far the controller gets with a decision before it is cut off; everything it remembers is lost with it. */
export type Cut = 'before' | 'ledger' | 'deletions' | 'twice'

interface SimJob {
  readonly raw: RawJob & { spec: Record<string, unknown> }
  readonly pod: RawPod
  readonly order: readonly string[]
  readonly always: ReadonlySet<string>
  readonly results: Map<string, string>
  /** When what it does now ends, milliseconds. */
  nextAt: number
  begun: boolean
  deleted: boolean
  finished: boolean
}

interface SimNode {
  readonly name: string
  readonly model: NodeModel
  readonly store: Set<string>
  readonly tries: Map<string, number>
  facts: NodeFacts
  listAt: number
  desired: readonly DesiredImage[]
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
const START_MS = 700
const LIST_MS = 40_000

/** The cluster. Time passes only by `run`. */
export class TestCluster {
  now = T0
  caches: ImageCache[]
  readonly nodes: SimNode[]
  readonly attempts: Attempt[] = []
  readonly starts: { readonly node: string; readonly request: JobRequest; readonly at: number }[] = []
  /** Broken rules, in words. */
  readonly violations: string[] = []
  readonly #outcomes: ReadonlyMap<string, Outcome>
  /** Milliseconds; hosts do not answer before. */
  readonly #silentUntil: ReadonlyMap<string, number>
  readonly #cuts: Cut[]
  readonly #names = new Set<string>()
  readonly #compilations = new WeakMap<ImageCache, CompiledCache>()
  #health = new RegistryHealth()
  #uid = 0

  constructor(
    caches: readonly ImageCache[],
    models: readonly NodeModel[],
    outcomes: ReadonlyMap<string, Outcome>,
    silentUntil: ReadonlyMap<string, number> = new Map(),
    cuts: readonly Cut[] = [],
  ) {
    this.caches = [...caches]
    this.#outcomes = outcomes
    this.#silentUntil = silentUntil
    this.#cuts = [...cuts]
    this.nodes = models.map((model, index) => ({
      name: `n${index}`,
      model,
      store: new Set<string>(),
      tries: new Map<string, number>(),
      facts: factsOf(`n${index}`, model, [], T0),
      listAt: Infinity,
      desired: [],
      ledger: [],
      jobs: [],
      wakeAt: T0,
    }))
  }

  /** Lets time pass until nothing is going to happen any more, at most until `end`; true where it came to rest. */
  run(end: number): boolean {
    for (let steps = 0; steps < 20_000; steps++) {
      for (const node of this.nodes) this.#kubelet(node)
      for (const node of this.nodes) if (node.wakeAt <= this.now) this.#reconcile(node)
      const next = Math.min(
        ...this.nodes.flatMap(node => [node.wakeAt, node.listAt, ...pulling(node).map(job => job.nextAt)]),
      )
      if (next === Infinity) return true
      if (next > end) break
      this.now = Math.max(this.now + 1, next)
    }
    this.now = Math.max(this.now, Math.min(end, this.now))
    return false
  }

  /** Goes on to a moment, whether or not the cluster comes to rest before. */
  runTo(moment: number): void {
    this.run(moment)
    this.now = Math.max(this.now, moment)
    for (const node of this.nodes) node.wakeAt = Math.min(node.wakeAt, this.now)
  }

  /** Takes an image off a node behind everybody's back. */
  remove(node: SimNode, image: string): void {
    if (node.store.delete(image)) node.listAt = this.now + LIST_MS
  }

  #kubelet(node: SimNode): void {
    if (node.listAt <= this.now) {
      node.facts = factsOf(node.name, node.model, [...node.store], this.now + 60_001)
      node.listAt = Infinity
      node.wakeAt = this.now
    }
    for (const job of pulling(node)) this.#advance(node, job)
    for (const job of node.jobs) {
      if (job.deleted && job.finished) node.jobs = node.jobs.filter(other => other !== job)
    }
  }

  /** Pulls are serial; with image volumes no container starts before all are tried. */
  #advance(node: SimNode, job: SimJob): void {
    while (job.nextAt <= this.now && !job.finished) {
      const pending = job.order.find(image => !job.results.has(image))
      if (pending === undefined) {
        this.#end(job)
        node.wakeAt = this.now
        // Kubelets go on reporting, also where nothing new has come.
        node.listAt = Math.min(node.listAt, this.now + LIST_MS)
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
        node.wakeAt = this.now
      }
      if (next !== undefined) job.nextAt += this.#cost(node, job, next)
    }
  }

  #cost(node: SimNode, job: SimJob, image: string): number {
    if (node.store.has(image) && !job.always.has(image)) return 10
    return this.#isSilent(image) ? SILENCE_MS : PULL_MS
  }

  #isSilent(image: string): boolean {
    return this.now < (this.#silentUntil.get(hostOf(image)) ?? 0)
  }

  /** Empty where the image is there after it, else the words of the failure. */
  #pull(node: SimNode, job: SimJob, image: string): string {
    if (node.store.has(image) && !job.always.has(image)) return ''
    this.attempts.push({ node: node.name, image, at: this.now })
    const tries = (node.tries.get(image) ?? 0) + 1
    node.tries.set(image, tries)
    const prefix = `failed to pull and unpack image "${image}": failed to resolve image: ${image}: `
    if (this.#isSilent(image)) return `${prefix}dial tcp 10.0.0.1:443: i/o timeout`
    const outcome = this.#outcomes.get(image) ?? 'ok'
    if (outcome === 'missing') return `${prefix}not found`
    if (outcome === 'denied') return `${prefix}unexpected status from HEAD request: 401 Unauthorized`
    if (typeof outcome === 'object' && tries <= outcome.errors) return `${prefix}503 Service Unavailable`
    node.store.add(image)
    node.listAt = Math.min(node.listAt, this.now + LIST_MS)
    return ''
  }

  #end(job: SimJob): void {
    const failed = this.#writeStatus(job)
    if (failed) {
      // The kubelet tries again after its own back-off, unless the Pod goes first.
      for (const [image, words] of job.results) if (words) job.results.delete(image)
      job.nextAt = this.now + SILENCE_MS
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

  #compiled(): CompiledCache[] {
    return this.caches.map(cache => {
      const compiled = this.#compilations.get(cache) ?? compileCache(cache, 'IfNotPresent')
      this.#compilations.set(cache, compiled)
      return compiled
    })
  }

  #reconcile(node: SimNode): void {
    for (let pass = 0; pass < 50; pass++) {
      const caches = this.#compiled()
      const now = new Date(this.now).toISOString()
      const { facts, desired: existing, ledger } = node
      node.desired = planNode({ node: facts, caches, existing, ledger, now })
      this.#observe(node)
      const decision = decide(this.#work(node, caches))
      node.wakeAt = decision.lookAgainMs === undefined ? Infinity : this.now + decision.lookAgainMs
      const cut = decision.start ? this.#cuts.shift() : undefined
      if (cut === 'before') {
        this.#restart()
        continue
      }
      if (!this.#apply(node, decision, cut)) return
    }
    this.violations.push(`${node.name}: decisions never come to rest`)
  }

  #work(node: SimNode, caches: readonly CompiledCache[]): NodeWork {
    const mayProbe = (host: string) =>
      !this.nodes.some(
        other =>
          other !== node && pulling(other).some(job => job.order.some(image => hostOf(image) === host)),
      )
    return {
      node: node.facts,
      desired: node.desired,
      startable: startableKeys(node.facts, caches),
      ledger: node.ledger,
      removing: new Set(),
      removalRuns: false,
      jobs: node.jobs.map(job => projectJob(job.raw)),
      pods: node.jobs.filter(job => !job.deleted).map(job => projectPod(structuredClone(job.pod))),
      caches: new Map(caches.map(cache => [cache.owner, cache])),
      method: node.model.method,
      registries: {
        state: host => this.#health.state(host, node.name),
        lastSuccess: host => this.#health.lastSuccess(host),
        mayProbe: host => !this.#health.isSilentForAll(host) || mayProbe(host),
      },
      isToBeAsked: () => false,
      refusedIn: () => undefined,
      admittedAt: () => undefined,
      refusedUntil: () => undefined,
      refusals: new Map(),
      settings: SETTINGS,
      now: this.now,
    }
  }

  /** True where the world changed by it. */
  #apply(node: SimNode, decision: Decision, cut: Cut | undefined): boolean {
    const before = JSON.stringify([node.ledger, node.jobs.length])
    const old = byKey(node.ledger)
    node.ledger = decision.ledger
    this.#observe(node)
    if (cut === 'ledger') {
      this.#restart()
      return true
    }
    for (const job of decision.finished) this.#delete(node, job)
    if (cut === 'deletions') {
      this.#restart()
      return true
    }
    if (decision.start) {
      this.#check(node, decision.start, old)
      this.#create(node, decision.start)
      if (cut === 'twice') this.#create(node, decision.start)
    }
    return before !== JSON.stringify([node.ledger, node.jobs.length])
  }

  #observe({ name, ledger }: SimNode): void {
    if (this.#health.observe(name, ledger))
      for (const node of this.nodes) node.wakeAt = Math.min(node.wakeAt, this.now)
  }

  /** What a controller that was killed learns when it is back. */
  #restart(): void {
    this.#health = new RegistryHealth()
    for (const node of this.nodes) this.#health.observe(node.name, node.ledger)
    for (const node of this.nodes) node.wakeAt = this.now
  }

  #delete(node: SimNode, job: PullJob): void {
    for (const found of node.jobs.filter(candidate => candidate.raw.metadata.uid === job.metadata.uid)) {
      found.deleted = true
      found.finished = true
    }
    node.jobs = node.jobs.filter(job => !job.deleted)
  }

  #create(node: SimNode, request: JobRequest): void {
    const id = `${request.cache.cache.metadata.namespace ?? ''}/${request.name}`
    if (node.jobs.some(job => `${job.raw.metadata.namespace ?? ''}/${job.raw.metadata.name}` === id)) return
    if (this.#names.has(id)) this.violations.push(`${id} was the name of an earlier Job`)
    this.#names.add(id)
    this.starts.push({ node: node.name, request, at: this.now })
    const manifest = structuredClone(buildJob(request, node.facts, SETTINGS))
    const uid = `job-${this.#uid++}`
    const seconds = Math.floor(this.now / 1000) * 1000
    const raw = {
      ...manifest,
      metadata: {
        ...manifest.metadata,
        uid,
        creationTimestamp: new Date(seconds).toISOString().replace('.000', ''),
      },
    }
    // What the API server returns is JSON of the shape that the projection reads.
    const template = raw.spec['template'] as { spec: NonNullable<RawPod['spec']> }
    const pod: RawPod = {
      metadata: {
        name: `${request.name}-abcde`,
        namespace: manifest.metadata.namespace ?? '',
        labels: { 'batch.kubernetes.io/job-name': request.name },
        ownerReferences: [controlledBy(raw)],
      },
      spec: template.spec,
      status: { phase: 'Pending', startTime: new Date(this.now + START_MS).toISOString() },
    }
    node.jobs.push({
      raw,
      pod,
      order: request.images.map(({ image }) => image),
      always: new Set(
        request.images.filter(({ pullPolicy }) => pullPolicy === 'Always').map(({ image }) => image),
      ),
      results: new Map(),
      nextAt: this.now + START_MS,
      begun: false,
      deleted: false,
      finished: false,
    })
    if (pulling(node).length > 1) this.violations.push(`${node.name} has two pull Jobs at once`)
  }

  /** What may never be in a Job. */
  #check(node: SimNode, request: JobRequest, old: ReadonlyMap<string, LedgerEntry>): void {
    const broken = (rule: string) => this.violations.push(`${request.name} on ${node.name}: ${rule}`)
    const { images, name, cache } = request
    if (images.length > 10 || images.length === 0) broken(`${images.length} images`)
    if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name) || name.length > 63) broken('no legal name')
    if (images.some(image => image.credential !== cache.credential)) broken('mixes credentials')
    if (images.some(image => !image.owners.includes(cache.owner))) broken('mixes caches')
    if (new Set(images.map(image => entryKey(image))).size !== images.length) broken('an image twice')
    for (const image of images) {
      const entry = old.get(entryKey(image))
      if (entry?.state === 'Present' && answers(entry, image) && !hasGone(node, image))
        broken(`${image.image} is there`)
      if (entry?.state === 'Failed' && answers(entry, image) && isPermanent(entry.reason)) {
        broken(`${image.image} cannot be had`)
      }
      const host = hostOf(image.image)
      if (this.#health.state(host, node.name) !== 'failing') continue
      if (images.length > 1) broken(`${host} is silent and not alone`)
      if (
        this.#health.isSilentForAll(host) &&
        this.nodes.some(
          other => other !== node && pulling(other).some(job => job.order.some(o => hostOf(o) === host)),
        )
      ) {
        broken(`${host} is silent and tried by two nodes`)
      }
    }
    const failed = images.some(
      image => old.get(entryKey(image))?.state === 'Failed' && answers(old.get(entryKey(image)), image),
    )
    if (failed && images.length > 1 && images.some(image => image.pullPolicy === 'Always'))
      broken('mixes Always with failures')
  }
}

function pulling(node: SimNode): SimJob[] {
  return node.jobs.filter(job => !job.finished && !job.deleted)
}

function isByContainer(job: SimJob): boolean {
  return job.raw.metadata.annotations?.['kubefledged.io/pull-method'] === 'containers'
}

function hasGone(node: SimNode, image: DesiredImage): boolean {
  return !node.store.has(image.image)
}

function factsOf(name: string, model: NodeModel, store: readonly string[], heartbeat: number): NodeFacts {
  const names = ['system.test/pause:1', ...store.map(image => normalizedName(parseReference(image)))]
  return nodeOf(
    name,
    model.listed ? names.map(image => [image]) : undefined,
    new Date(heartbeat).toISOString(),
  )
}
