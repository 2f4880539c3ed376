import { type Evidence, NO_EVIDENCE } from '../../core/ledger/index.ts'
import { keptReferences, namespaceIn } from '../../core/plan/index.ts'
import type { CircuitBreaker } from '../../state/circuit-breaker.ts'
import type { Step, StepInput } from '../engine.ts'
import type { Admission } from './admission.ts'
import { CONFLICT_LOOK_MS, isConflict, isRefusal } from './job-refusal.ts'
import type { JobState } from './job-state.ts'
import type { JobWriter } from './job-writer.ts'
import { imagesInPullJobs } from './pull/index.ts'
import {
  type RemovalReadings,
  type RemovalRequest,
  type RemovalSettings,
  chooseRemoval,
} from './removal/index.ts'
import { waitingStep } from './waiting-step.ts'

/** Delay before the next reconcile while an image on the removal list is being pulled. */
const PULLING_LOOK_MS = 5_000

/** What removal Jobs are started with. */
export interface RemovalStarterOptions {
  readonly state: JobState
  readonly writer: JobWriter
  readonly admission: Admission
  readonly breaker: CircuitBreaker
  readonly removals: RemovalSettings
  /** Images that the controller needs itself. They are never removed. */
  readonly ownImages: readonly string[]
}

/** Starts removal Jobs. */
export class RemovalStarter {
  readonly #options: RemovalStarterOptions

  constructor(options: RemovalStarterOptions) {
    this.#options = options
  }

  /**
   * Starts the next removal Job of a node. `isBusy`: no other Job of the node may start now. Throws
   * KubeError.
   */
  async start(
    input: StepInput,
    { running, finished }: RemovalReadings,
    signal: AbortSignal,
  ): Promise<Step & { readonly isBusy: boolean }> {
    const { state, writer, admission, breaker, removals: settings, ownImages } = this.#options
    const { node, plan, caches, ledger, now, open } = input
    const nothing = { evidence: NO_EVIDENCE, isBusy: false }
    if (running.length > 0 || open.removals.length === 0) return nothing
    const { name } = node.metadata
    const pulled = imagesInPullJobs(state.pullJobsOf(name), state.pullPodsOf(name), now)
    const ready = open.removals.filter(({ image }) => !pulled.has(image))
    const isDelayed = ready.length < open.removals.length
    const delay = isDelayed ? waitingStep({ reason: 'ImagePulled', inMs: PULLING_LOOK_MS }) : {}
    const chosen = chooseRemoval(ready, {
      node,
      ledger,
      keptBeside: images => keptReferences({ node, caches: [...caches.values()], ledger }, images),
      ownImages,
      namespaceOf: owner => namespaceIn(caches.get(owner)?.key ?? plan.owners?.[owner]?.cache),
      now,
    })
    if (!chosen) return { ...nothing, ...delay }
    const { request } = chosen
    if (chosen.kind === 'fail') {
      return { ...nothing, evidence: removalEvidence(request, failed('RemovalFailed', chosen.message)) }
    }
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
    if (wait) return { evidence: NO_EVIDENCE, isBusy: wait.reason === 'JobSlot', ...waitingStep(wait) }
    try {
      await writer.createRemoval(request, node, settings, signal)
      return { evidence: removalEvidence(request, { kind: 'removing' }), isBusy: true, ...delay }
    } catch (error) {
      if (isConflict(error)) {
        return { ...nothing, ...waitingStep({ reason: 'QuotaBusy', inMs: CONFLICT_LOOK_MS }) }
      }
      if (!isRefusal(error)) throw error
      breaker.refuseNamespace('removals', namespace, error.message, now)
      return { ...nothing, evidence: removalEvidence(request, failed('JobRefused', error.message)) }
    } finally {
      admission.done(name)
    }
  }
}

function failed(reason: 'JobRefused' | 'RemovalFailed', message: string) {
  return { kind: 'failed', reason, message } as const
}

function removalEvidence(
  { name, keys, revision, startedAt }: RemovalRequest,
  verdict: Evidence['removals'][number]['verdict'],
): Evidence {
  return { pulls: [], removals: keys.map(key => ({ key, id: name, revision, startedAt, verdict })) }
}
