import { type NodeImagesSpec, entryKey } from '../../api/node-images.ts'
import { type Evidence, NO_EVIDENCE, type OpenWork } from '../../core/ledger/index.ts'
import { type Inventory, type NodeFacts, nodeListInventory } from '../../core/node/index.ts'
import { keptReferences } from '../../core/plan/index.ts'
import { InvalidRequestError } from '../../cri/removal/index.ts'
import type { Logger } from '../../kube/index.ts'
import type { CircuitBreaker } from '../../state/circuit-breaker.ts'
import type { TagResolver } from '../../state/tag-resolver.ts'
import type { Engine, NodeView, Step, StepInput, Verdicts, Wait } from '../engine.ts'
import type { Admission } from './admission.ts'
import { isRefusal } from './job-refusal.ts'
import type { JobState } from './job-state.ts'
import type { JobWriter } from './job-writer.ts'
import {
  type JobRequest,
  type JobSettings,
  type PullMethodSetting,
  type PullReadings,
  choosePullMethod,
  chooseJob,
  imagesInPullJobs,
  jobHash,
  keysInFlight,
  nodeWait,
  readPullJobs,
} from './pull/index.ts'
import {
  type RemovalReadings,
  type RemovalRequest,
  type RemovalSettings,
  chooseRemoval,
  readRemovalJobs,
} from './removal/index.ts'

/** Delay before the next reconcile while an image on the removal list is being pulled. */
const PULLING_LOOK_MS = 5_000
/**
 * Delay before a node asks again whether it may probe an unreachable registry.
 * No event of this node signals it.
 */
const PROBE_LOOK_MS = 60_000
/** Delay before the reconcile that reads the explanation why a Job has no Pod. */
const EXPLAINED_LOOK_MS = 50

/** What the Job engine works with. */
export interface JobEngineOptions {
  readonly state: JobState
  readonly writer: JobWriter
  readonly admission: Admission
  readonly breaker: CircuitBreaker
  readonly tags: TagResolver
  readonly pulls: JobSettings
  readonly pullMethod: PullMethodSetting
  readonly removals: RemovalSettings
  /** Images that the controller needs itself. They are never removed. */
  readonly ownImages: readonly string[]
  /** Minor version of the API server. */
  readonly serverMinor: number
  readonly log: Logger
}

/** The Jobs of one node, read at one moment. */
interface Readings {
  readonly pulls: PullReadings
  readonly removals: RemovalReadings
}

/**
 * The Job engine. Short Jobs that are pinned to a node make the kubelet pull images,
 * and make the container runtime remove images.
 */
export class JobEngine implements Engine {
  readonly #options: JobEngineOptions
  /** Readings of `verdicts`. `release` uses the same ones. */
  readonly #readings = new WeakMap<NodeView, Readings>()
  #serverMinor: number

  constructor(options: JobEngineOptions) {
    this.#options = options
    this.#serverMinor = options.serverMinor
  }

  inventory(node: NodeFacts): Inventory {
    return nodeListInventory(node)
  }

  verdicts(view: NodeView): Verdicts {
    const readings = this.#read(view)
    this.#readings.set(view, readings)
    const { pulls, removals } = readings
    if (pulls.volumesDropped && this.#serverMinor > 0) {
      this.#options.log.warn({}, 'the API server drops image volumes: pulling by containers from now on')
      this.#serverMinor = 0
    }
    const waits = [...pulls.running, ...removals.running].flatMap(({ lookAgainMs }) => lookAgainMs ?? [])
    return {
      evidence: { pulls: pulls.evidence, removals: removals.evidence },
      ended: pulls.finished.length + removals.finished.length,
      ...(waits.length > 0 && { lookAgainMs: Math.min(...waits) }),
    }
  }

  async step(input: StepInput, signal: AbortSignal): Promise<Step> {
    const readings = this.#read(input)
    const removal = await this.#startRemoval(input, readings.removals, signal)
    // A node starts one Job at a time. Removals come first, because they free disk space.
    if (removal.isBusy) return removal
    const pull = await this.#startPull(input, readings.pulls, signal)
    const waits = [removal.lookAgainMs, pull.lookAgainMs].filter(ms => ms !== undefined)
    const wait = pull.wait ?? removal.wait
    return {
      evidence: { pulls: pull.evidence.pulls, removals: removal.evidence.removals },
      ...(wait && { wait }),
      ...(waits.length > 0 && { lookAgainMs: Math.min(...waits) }),
    }
  }

  giveUpTurn(nodeName: string): void {
    this.#options.admission.leave(nodeName)
  }

  async release(view: NodeView, signal: AbortSignal): Promise<{ readonly lookAgainMs?: number }> {
    const { writer, pulls: settings } = this.#options
    // A Job that ended while the ledger was written is not in the ledger yet, so it must stay.
    const { pulls, removals } = this.#readings.get(view) ?? this.#read(view)
    if (settings.retainJobs) await writer.retain(pulls.finished, signal)
    else await writer.deleteAll(pulls.finished, signal)
    await writer.deleteAll([...removals.finished, ...this.#retainedJobsInTheWay(view)], signal)
    let isExplained = false
    for (const { job, unexplained } of [...pulls.running, ...removals.running]) {
      if (unexplained && (await writer.explain(job, signal))) isExplained = true
    }
    return isExplained ? { lookAgainMs: EXPLAINED_LOOK_MS } : {}
  }

  async forget(nodeName: string, signal: AbortSignal): Promise<void> {
    const { state, writer, admission } = this.#options
    admission.leave(nodeName)
    await writer.deleteAll([...state.pullJobsOf(nodeName), ...state.removalJobsOf(nodeName)], signal)
  }

  #read({ node, plan, ledger, caches, now }: NodeView): Readings {
    const { state, writer, pulls, removals } = this.#options
    const { name, uid = '' } = node.metadata
    const refusals = writer.explanations
    return {
      pulls: readPullJobs(
        writer.unread(name),
        {
          desired: plan.images ?? [],
          ledger,
          inventory: this.inventory(node),
          caches,
          pods: state.pullPodsOf(name),
          refusals,
          settings: pulls,
          now,
        },
        uid,
        plan.revision ?? 0,
      ),
      removals: readRemovalJobs(
        state.removalJobsOf(name),
        {
          pods: state.removalPodsOf(name),
          refusals,
          helperPullSecrets: removals.helperPullSecrets,
          deadlineMs: removals.deadlineMs,
          now,
        },
        uid,
      ),
    }
  }

  async #startRemoval(
    input: StepInput,
    { running, finished }: RemovalReadings,
    signal: AbortSignal,
  ): Promise<Step & { readonly isBusy: boolean }> {
    const { state, writer, admission, breaker, removals: settings, ownImages } = this.#options
    const { node, caches, ledger, now, open } = input
    const nothing = { evidence: NO_EVIDENCE, isBusy: false }
    if (running.length > 0 || open.removals.length === 0) return nothing
    const { name } = node.metadata
    const pulled = imagesInPullJobs(state.pullJobsOf(name), state.pullPodsOf(name), now)
    const ready = open.removals.filter(({ image }) => !pulled.has(image))
    const isDelayed = ready.length < open.removals.length
    const delay = isDelayed ? stepOf({ reason: 'ImagePulled', inMs: PULLING_LOOK_MS }) : {}
    const keep = [...keptReferences(node, [...caches.values()]), ...ownImages]
    const request = chooseRemoval(ready, { node, ledger, keep, now })
    if (!request) return { ...nothing, ...delay }
    const refusal = breaker.refusal('removals', settings.namespace, now)
    if (refusal !== undefined) {
      return { ...nothing, ...delay, evidence: removalEvidence(request, failed('JobRefused', refusal)) }
    }
    const { namespace } = settings
    const start = {
      work: 'removals',
      nodeName: name,
      owner: '',
      namespace,
      urgent: false,
      ended: finished,
    } as const
    const wait = admission.mayStart(start, now)
    if (wait) return { evidence: NO_EVIDENCE, isBusy: wait.reason === 'JobSlot', ...stepOf(wait) }
    try {
      await writer.createRemoval(request, node, settings, signal)
      return { evidence: removalEvidence(request, { kind: 'removing' }), isBusy: true, ...delay }
    } catch (error) {
      // The node has more references to keep than a request can hold. Pulls still work.
      if (error instanceof InvalidRequestError) {
        return { ...nothing, evidence: removalEvidence(request, failed('RemovalFailed', error.message)) }
      }
      if (!isRefusal(error)) throw error
      breaker.refuseNamespace('removals', namespace, error.message, now)
      return { ...nothing, evidence: removalEvidence(request, failed('JobRefused', error.message)) }
    } finally {
      admission.done(name)
    }
  }

  async #startPull(input: StepInput, readings: PullReadings, signal: AbortSignal): Promise<Step> {
    const { writer, admission, breaker, pulls: settings } = this.#options
    const { node, now, open } = input
    const { name } = node.metadata
    const inFlight = keysInFlight(readings.running.map(({ job }) => job))
    const pulls = open.pulls.filter(({ desired }) => !inFlight.has(entryKey(desired)))
    const lookAgainMs = soonest(open.later, inFlight)
    if (pulls.length === 0) {
      admission.leave(name)
      return { evidence: NO_EVIDENCE, ...(lookAgainMs !== undefined && { lookAgainMs }) }
    }
    const wait = (found: Wait): Step => ({ evidence: NO_EVIDENCE, ...stepOf(found, lookAgainMs) })
    const atNode = this.#nodeWait(input, readings)
    if (atNode) {
      admission.leave(name)
      return wait(atNode)
    }
    const request = this.#choose(pulls, input)
    if (!request) {
      admission.leave(name)
      return wait({ reason: 'RegistryTrial', inMs: PROBE_LOOK_MS })
    }
    if (!request.proofOnly && this.#askRegistry(name, request)) {
      admission.leave(name)
      return wait({ reason: 'TagDigest' })
    }
    const { cache } = request
    const namespace = cache.cache.metadata.namespace ?? ''
    const notAdmitted = admission.mayStart(
      {
        work: 'pulls',
        nodeName: name,
        owner: cache.key,
        namespace,
        urgent: request.urgent,
        ended: readings.finished,
      },
      now,
    )
    if (notAdmitted) return wait(notAdmitted)
    try {
      await writer.create(request, node, settings, signal)
      const evidence = pullEvidence(request, { kind: 'pulling' })
      return { evidence, ...(lookAgainMs !== undefined && { lookAgainMs }) }
    } catch (error) {
      if (!isRefusal(error)) throw error
      // An invalid Job says nothing about the Jobs of other caches.
      if (error.code !== 'Invalid' && error.code !== 'BadRequest') {
        breaker.refuseNamespace('pulls', namespace, error.message, now)
      }
      const evidence = pullEvidence(request, failed('JobRefused', error.message))
      return { evidence, ...(lookAgainMs !== undefined && { lookAgainMs }) }
    } finally {
      admission.done(name)
    }
  }

  #nodeWait({ node, plan, ledger, now }: StepInput, { running }: PullReadings): Wait | undefined {
    const { state, writer } = this.#options
    const { name, uid } = node.metadata
    return nodeWait({
      desired: plan.images ?? [],
      ledger,
      jobs: writer.unread(name).filter(job => job.nodeUid === uid),
      pods: state.pullPodsOf(name),
      running: running.map(({ job }) => job),
      removalRuns: state
        .removalJobsOf(name)
        .some(job => job.nodeUid === uid && !job.metadata.deletionTimestamp),
      now,
    })
  }

  #choose(pulls: OpenWork['pulls'], input: StepInput): JobRequest | undefined {
    const { pullMethod, pulls: settings } = this.#options
    const { node, plan, ledger, caches, circuits, now } = input
    const method = choosePullMethod(node, this.#serverMinor, pullMethod)
    return chooseJob(pulls, {
      node,
      desired: plan.images ?? [],
      ledger,
      caches,
      circuits,
      method,
      settings,
      now,
    })
  }

  /** True where a request for the digests of moving tags is under way. Its answer wakes the node. */
  #askRegistry(nodeName: string, { images }: JobRequest): boolean {
    const { tags } = this.#options
    const open = images.filter(
      image => image.pullPolicy === 'Always' && tags.mayAsk(image) && !tags.askedLately(image),
    )
    if (open.length > 0) tags.ask(nodeName, open)
    return open.length > 0
  }

  /** Retained Jobs that have an image on the removal list. A Job's Pod keeps its images in use. */
  #retainedJobsInTheWay({ node, plan }: { node: NodeFacts; plan: NodeImagesSpec }) {
    const removals = (plan.remove ?? []).filter(({ stays }) => stays === undefined)
    const going = new Set(removals.map(({ image }) => image))
    if (going.size === 0) return []
    const jobs = this.#options.state.pullJobsOf(node.metadata.name)
    return jobs.filter(job => job.finished && job.images.some(image => going.has(image)))
  }
}

function failed(reason: 'JobRefused' | 'RemovalFailed', message: string) {
  return { kind: 'failed', reason, message } as const
}

function pullEvidence(
  { name, images, cache, revision, startedAt }: JobRequest,
  verdict: Evidence['pulls'][number]['verdict'],
): Evidence {
  const facts = { id: jobHash(name), revision, startedAt, owner: cache.owner, verdict }
  return { pulls: images.map(image => ({ key: entryKey(image), ...facts })), removals: [] }
}

function removalEvidence(
  { name, keys, revision, startedAt }: RemovalRequest,
  verdict: Evidence['removals'][number]['verdict'],
): Evidence {
  return { pulls: [], removals: keys.map(key => ({ key, id: name, revision, startedAt, verdict })) }
}

function soonest(later: ReadonlyMap<string, number>, inFlight: ReadonlySet<string>): number | undefined {
  const times = [...later].filter(([key]) => !inFlight.has(key)).map(([, inMs]) => inMs)
  return times.length > 0 ? Math.min(...times) : undefined
}

function stepOf(wait: Wait, lookAgainMs?: number): Pick<Step, 'wait' | 'lookAgainMs'> {
  const times = [wait.inMs, lookAgainMs].filter(ms => ms !== undefined)
  return { wait, ...(times.length > 0 && { lookAgainMs: Math.min(...times) }) }
}
