import { SETTINGS, controlledBy } from '../../../../test/builders/job.ts'
import { T0 } from '../../../../test/builders/time.ts'
import { isPermanent } from '../../../api/failure-reasons.ts'
import type { ImageCache } from '../../../api/image-cache.ts'
import { type DesiredImage, type LedgerEntry, entryKey } from '../../../api/node-images.ts'
import { type CompiledCache, compileCache } from '../../../core/demand/index.ts'
import { byKey, hasPullFailed, isPresent, isPullAnswered } from '../../../core/ledger/index.ts'
import { planNode, startableKeys } from '../../../core/plan/index.ts'
import { hostOf } from '../../../oci/registry-host.ts'
import { CircuitBreaker } from '../../../state/circuit-breaker.ts'
import { buildJob } from './build-job.ts'
import type { JobRequest } from './choose-job.ts'
import { type PullJob, projectJob } from './pull-job.ts'
import { type RawPod, projectPod } from './pull-pod.ts'
import { type PullDecision, type PullWork, decidePulls } from './testing-decide.ts'
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

/**
 * A model of an API server and of a controller, over a model of kubelets, for the tests of pull Jobs.
 * It checks each Job for what must never happen.
 */

/**
 * Where the controller is cut off: before it does anything, after it wrote the ledger, after it deleted
 * Jobs, or after it made a Job twice. It loses all that it remembers.
 */
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
  #breaker = new CircuitBreaker()
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
      plan: {},
      ledger: [],
      jobs: [],
      wakeAt: T0,
    }))
  }

  /** What kubelets have asked registries for, in order. */
  get attempts(): readonly Attempt[] {
    return this.#kubelets.attempts
  }

  /**
   * Lets time pass until nothing happens any more, at most until `end`. True where the cluster came to
   * rest.
   */
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

  /** Lets time pass until a moment, whether or not the cluster comes to rest before. */
  runTo(moment: number): void {
    this.run(moment)
    this.now = Math.max(this.now, moment)
    for (const node of this.nodes) node.wakeAt = Math.min(node.wakeAt, this.now)
  }

  /** Removes an image from a node without the knowledge of the controller. */
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
      const { facts, plan: previous, ledger } = node
      node.plan = planNode({ node: facts, caches, previous, ledger })
      this.#observe(node)
      const decision = decidePulls(this.#work(node, caches), startableKeys(facts, caches))
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

  #work(node: SimNode, caches: readonly CompiledCache[]): PullWork {
    return {
      node: node.facts,
      desired: node.plan.images ?? [],
      removals: node.plan.remove ?? [],
      ledger: node.ledger,
      jobs: node.jobs.map(job => projectJob(job.raw)),
      pods: node.jobs.filter(job => !job.deleted).map(job => projectPod(structuredClone(job.pod))),
      caches: new Map(caches.map(cache => [cache.owner, cache])),
      circuits: this.#breaker.viewOf(node.name, this.now, host => this.#isPulledElsewhere(node, host)),
      methodIn: () => node.model.method,
      refusals: new Map(),
      settings: SETTINGS,
      recheckIntervalMs: 0,
      now: this.now,
    }
  }

  #isPulledElsewhere(node: SimNode, host: string): boolean {
    return this.nodes.some(
      other => other !== node && pulling(other).some(job => job.order.some(image => hostOf(image) === host)),
    )
  }

  /** True where the cluster changed by it. */
  #apply(node: SimNode, decision: PullDecision, cut: Cut | undefined): boolean {
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
    if (this.#breaker.observeLedger(name, ledger))
      for (const node of this.nodes) node.wakeAt = Math.min(node.wakeAt, this.now)
  }

  /** A new controller learns what the ledgers say. */
  #restart(): void {
    this.#breaker = new CircuitBreaker()
    for (const node of this.nodes) this.#breaker.observeLedger(node.name, node.ledger)
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
    const begins = this.now + START_MS + (node.model.skewMs ?? 0)
    const pod: RawPod = {
      metadata: {
        name: `${request.name}-abcde`,
        namespace: manifest.metadata.namespace ?? '',
        creationTimestamp: raw.metadata.creationTimestamp,
        labels: { 'batch.kubernetes.io/job-name': request.name },
        ownerReferences: [controlledBy(raw)],
      },
      spec: template.spec,
      status: { phase: 'Pending', startTime: new Date(begins).toISOString() },
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

  /** What must never be in a Job. */
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
      const isAnswered = isPullAnswered(entry, image)
      if (isPresent(entry) && !hasPullFailed(entry) && isAnswered && !hasGone(node, image)) {
        broken(`${image.image} is there`)
      }
      if (hasPullFailed(entry) && isAnswered && isPermanent(entry?.attempt?.reason)) {
        broken(`${image.image} failed for good`)
      }
      const host = hostOf(image.image)
      if (this.#breaker.registry(host, node.name) !== 'open') continue
      if (images.length > 1) broken(`${host} is silent and not alone`)
      if (!this.#mayProbe(node, host)) broken(`${host} is silent and tried by two nodes`)
    }
    const isRetry = images.some(image => {
      const entry = old.get(entryKey(image))
      return hasPullFailed(entry) && isPullAnswered(entry, image)
    })
    if (isRetry && images.length > 1 && images.some(image => image.pullPolicy === 'Always')) {
      broken('mixes Always with failures')
    }
  }

  #mayProbe(node: SimNode, host: string): boolean {
    return this.#breaker
      .viewOf(node.name, this.now, silent => this.#isPulledElsewhere(node, silent))
      .mayProbeRegistry(host)
  }
}

function hasGone(node: SimNode, image: DesiredImage): boolean {
  return !node.store.has(image.image)
}
