import { entryKey } from '../../api/node-images.ts'
import { type Evidence, NO_EVIDENCE, type OpenWork } from '../../core/ledger/index.ts'
import type { Logger } from '../../kube/index.ts'
import type { CircuitBreaker } from '../../state/circuit-breaker.ts'
import type { TagResolver } from '../../state/tag-resolver.ts'
import type { Step, StepInput, Wait } from '../engine.ts'
import type { Admission } from './admission.ts'
import { CONFLICT_LOOK_MS, isConflict, isRefusal } from './job-refusal.ts'
import type { JobState } from './job-state.ts'
import type { JobWriter } from './job-writer.ts'
import {
  type JobRequest,
  type JobSettings,
  type PullMethodSetting,
  type PullReadings,
  choosePullMethod,
  chooseJob,
  jobHash,
  keysInFlight,
  nodeWait,
} from './pull/index.ts'
import { VolumeSupport } from './volume-support.ts'
import { waitingStep } from './waiting-step.ts'

/**
 * Delay before a node asks again whether it may probe an unreachable registry.
 * No event of this node signals it.
 */
const PROBE_LOOK_MS = 60_000

/** What pull Jobs are started with. */
export interface PullStarterOptions {
  readonly state: JobState
  readonly writer: JobWriter
  readonly admission: Admission
  readonly breaker: CircuitBreaker
  readonly tags: TagResolver
  readonly pulls: JobSettings
  readonly pullMethod: PullMethodSetting
  /** Minor version of the API server. */
  readonly serverMinor: number
  readonly log: Logger
}

/** Starts pull Jobs. */
export class PullStarter {
  readonly #options: PullStarterOptions
  readonly #volumes = new VolumeSupport()

  constructor(options: PullStarterOptions) {
    this.#options = options
  }

  /** Pods of these namespaces have lost their image volumes. */
  noteLostVolumes(namespaces: readonly string[], now: number): void {
    for (const namespace of namespaces.filter(name => this.#volumes.noteLost(name, now))) {
      this.#options.log.warn(
        { namespace },
        'Pods lose their image volumes: pulling by containers for an hour',
      )
    }
  }

  /** Starts the next pull Job of a node. Throws KubeError. */
  async start(input: StepInput, readings: PullReadings, signal: AbortSignal): Promise<Step> {
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
    const wait = (found: Wait): Step => ({ evidence: NO_EVIDENCE, ...waitingStep(found, lookAgainMs) })
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
      if (isConflict(error)) return wait({ reason: 'QuotaBusy', inMs: CONFLICT_LOOK_MS })
      if (!isRefusal(error)) throw error
      // An invalid Job says nothing about the Jobs of other caches.
      if (error.code !== 'Invalid' && error.code !== 'BadRequest') {
        breaker.refuseNamespace('pulls', namespace, error.message, now)
      }
      const evidence = pullEvidence(request, { kind: 'failed', reason: 'JobRefused', message: error.message })
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
      lacksPod: running.some(({ unexplained }) => unexplained),
      removalRuns: state
        .removalJobsOf(name)
        .some(job => job.nodeUid === uid && !job.metadata.deletionTimestamp),
      now,
    })
  }

  #choose(pulls: OpenWork['pulls'], input: StepInput): JobRequest | undefined {
    const { pullMethod, serverMinor, pulls: settings } = this.#options
    const { node, plan, ledger, caches, circuits, now } = input
    const methodIn = (namespace: string) => {
      const minor = this.#volumes.hasVolumes(namespace, now) ? serverMinor : 0
      return choosePullMethod(node, minor, pullMethod)
    }
    return chooseJob(pulls, {
      node,
      desired: plan.images ?? [],
      ledger,
      caches,
      circuits,
      methodIn,
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
}

function pullEvidence(
  { name, images, cache, revision, startedAt }: JobRequest,
  verdict: Evidence['pulls'][number]['verdict'],
): Evidence {
  const facts = { id: jobHash(name), revision, startedAt, owner: cache.owner, verdict }
  return { pulls: images.map(image => ({ key: entryKey(image), ...facts })), removals: [] }
}

function soonest(later: ReadonlyMap<string, number>, inFlight: ReadonlySet<string>): number | undefined {
  const times = [...later].filter(([key]) => !inFlight.has(key)).map(([, inMs]) => inMs)
  return times.length > 0 ? Math.min(...times) : undefined
}
