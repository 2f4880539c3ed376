import type { NodeImagesSpec } from '../../api/node-images.ts'
import { type Inventory, type NodeFacts, nodeListInventory } from '../../core/node/index.ts'
import type { Engine, NodeView, Step, StepInput, Verdicts } from '../engine.ts'
import { type PullReadings, readPullJobs } from './pull/index.ts'
import { type RemovalReadings, readRemovalJobs } from './removal/index.ts'
import { PullStarter, type PullStarterOptions } from './start-pull.ts'
import { RemovalStarter, type RemovalStarterOptions } from './start-removal.ts'

/** Delay before the reconcile that reads the explanation why a Job has no Pod. */
const EXPLAINED_LOOK_MS = 50

/** What the Job engine works with. */
export type JobEngineOptions = PullStarterOptions & RemovalStarterOptions

/** Verdicts, with the Jobs of the node that they were read from. */
export interface JobVerdicts extends Verdicts {
  readonly pulls: PullReadings
  readonly removals: RemovalReadings
}

/**
 * The Job engine. Short Jobs that are pinned to a node make the kubelet pull images,
 * and make the container runtime remove images.
 */
export class JobEngine implements Engine<JobVerdicts> {
  readonly #options: JobEngineOptions
  readonly #pulls: PullStarter
  readonly #removals: RemovalStarter

  constructor(options: JobEngineOptions) {
    this.#options = options
    this.#pulls = new PullStarter(options)
    this.#removals = new RemovalStarter(options)
  }

  inventory(node: NodeFacts): Inventory {
    return nodeListInventory(node)
  }

  verdicts(view: NodeView): JobVerdicts {
    const { pulls, removals } = this.#read(view)
    this.#pulls.noteLostVolumes(pulls.withoutVolumes, view.now)
    const waits = [...pulls.running, ...removals.running].flatMap(({ lookAgainMs }) => lookAgainMs ?? [])
    return {
      evidence: { pulls: pulls.evidence, removals: removals.evidence },
      ended: pulls.finished.length + removals.finished.length,
      ...(waits.length > 0 && { lookAgainMs: Math.min(...waits) }),
      pulls,
      removals,
    }
  }

  async step(input: StepInput, verdicts: JobVerdicts, signal: AbortSignal): Promise<Step> {
    const step = await this.#start(input, verdicts, signal)
    const isExplained = await this.#explain(input, verdicts, signal)
    return isExplained ? { ...step, lookAgainMs: EXPLAINED_LOOK_MS } : step
  }

  giveUpTurn(nodeName: string): void {
    this.#options.admission.leave(nodeName)
  }

  async release(view: NodeView, { pulls, removals }: JobVerdicts, signal: AbortSignal): Promise<void> {
    const { writer, pulls: settings } = this.#options
    if (settings.retainJobs) await writer.retain(pulls.finished, signal)
    else await writer.deleteAll(pulls.finished, signal)
    await writer.deleteAll([...removals.finished, ...this.#retainedJobsInTheWay(view)], signal)
  }

  async forget(nodeName: string, signal: AbortSignal): Promise<void> {
    const { state, writer, admission } = this.#options
    admission.leave(nodeName)
    await writer.deleteAll([...state.pullJobsOf(nodeName), ...state.removalJobsOf(nodeName)], signal)
  }

  async #start(input: StepInput, verdicts: JobVerdicts, signal: AbortSignal): Promise<Step> {
    const removal = await this.#removals.start(input, verdicts.removals, signal)
    // A node starts one Job at a time. Removals come first, because they free disk space.
    if (removal.isBusy) return removal
    const pull = await this.#pulls.start(input, verdicts.pulls, signal)
    const waits = [removal.lookAgainMs, pull.lookAgainMs].filter(ms => ms !== undefined)
    const wait = pull.wait ?? removal.wait
    return {
      evidence: { pulls: pull.evidence.pulls, removals: removal.evidence.removals },
      ...(wait && { wait }),
      ...(waits.length > 0 && { lookAgainMs: Math.min(...waits) }),
    }
  }

  /** Asks why Jobs have no Pod, and why Pods of removals do not start. True where something was learned. */
  async #explain(
    { now }: StepInput,
    { pulls, removals }: JobVerdicts,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { mountFailures } = this.#options.writer
    let isNew = false
    for (const { slowPod } of removals.running) {
      if (slowPod && (await mountFailures.look(slowPod, now, signal))) isNew = true
    }
    for (const { job, unexplained } of [...pulls.running, ...removals.running]) {
      if (unexplained && (await this.#options.writer.refusals.look(job, signal))) isNew = true
    }
    return isNew
  }

  #read({ node, plan, ledger, caches, now }: NodeView): Pick<JobVerdicts, 'pulls' | 'removals'> {
    const { state, writer, pulls, removals } = this.#options
    const { name, uid = '' } = node.metadata
    const refusals = writer.refusals.messages
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
          mountFailures: writer.mountFailures.messages,
          helperPullSecrets: removals.helperPullSecrets,
          deadlineMs: removals.deadlineMs,
          now,
        },
        uid,
      ),
    }
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
