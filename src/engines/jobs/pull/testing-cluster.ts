import type { ImageCache } from '../../../api/image-cache.ts'
import { type DesiredImage, type LedgerEntry, entryKey } from '../../../api/node-images.ts'
import { isPermanent } from '../../../api/failure-reasons.ts'
import { type CompiledCache, compileCache } from '../../../core/demand/index.ts'
import { planNode, startableKeys } from '../../../core/plan/index.ts'
import { buildJob } from './build-job.ts'
import { decide } from './decide.ts'
import { answers, byKey } from '../../../core/ledger/index.ts'
import type { Decision, JobRequest, NodeWork } from './node-work.ts'
import { type PullJob, projectJob } from './pull-job.ts'
import { type RawPod, projectPod } from './pull-pod.ts'
import { RegistryHealth } from '../../../core/ledger/index.ts'
import { hostOf } from '../../../oci/registry-host.ts'
import {
  type Attempt,
  type NodeModel,
  type Outcome,
  START_MS,
  type SimNode,
  TestKubelets,
  factsOf,
  pulling,
} from './testing-kubelets.ts'
import { SETTINGS, T0, controlledBy } from './testing.ts'

/**
 * A model of an API server and of a controller around the Job engine, for its tests, over a model of kubelets. It checks at every Job what may
 * never happen.
 */

/** How far the controller gets with a decision before it is cut off; everything it remembers is lost with it. */
export type Cut = 'before' | 'ledger' | 'deletions' | 'twice'

/** The cluster. Time passes only by `run`. */
export class TestCluster {
  now = T0
  caches: ImageCache[]
  readonly nodes: SimNode[]
  readonly starts: { readonly node: string; readonly request: JobRequest; readonly at: number }[] = []
  /** Broken rules, in words. */
  readonly violations: string[] = []
  readonly #kubelets: TestKubelets
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
    this.#kubelets = new TestKubelets(() => this.now, outcomes, silentUntil)
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

  /** What kubelets asked registries for, in order. */
  get attempts(): readonly Attempt[] {
    return this.#kubelets.attempts
  }

  /** Lets time pass until nothing is going to happen any more, at most until `end`; true where it came to rest. */
  run(end: number): boolean {
    for (let steps = 0; steps < 20_000; steps++) {
      for (const node of this.nodes) this.#kubelets.look(node)
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
    this.#kubelets.remove(node, image)
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

  /** True where the cluster changed by it. */
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

function hasGone(node: SimNode, image: DesiredImage): boolean {
  return !node.store.has(image.image)
}
