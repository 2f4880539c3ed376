import type { LedgerEntry, NodeImages, NodeImagesSpec, NodeImagesStatus } from '../../api/node-images.ts'
import {
  type Circuits,
  type Evidence,
  type OpenWork,
  failBlockedImages,
  isDoubtful,
  isSameMachine,
  openWork,
  updateLedger,
} from '../../core/ledger/index.ts'
import { type NodeFacts, skipReason } from '../../core/node/index.ts'
import { type TagAnswer, cacheIndex, planNode, startableKeys } from '../../core/plan/index.ts'
import type { Engine, NodeView } from '../../engines/engine.ts'
import { type HandlerResult, type Logger, mergePatchOf } from '../../kube/index.ts'
import { type CircuitBreaker, withLatest } from '../../state/circuit-breaker.ts'
import type { ClusterState } from '../../state/cluster-state.ts'
import type { RetryCalls } from '../../state/retry-calls.ts'
import type { NodeImagesWriter } from './node-images-writer.ts'
import type { WaitLog } from './wait-log.ts'

/** How soon a list of the node that may be too old is compared with the ledger again. */
const LIST_LOOK_MS = 30_000
/** Shortest time until a node is looked at again. */
const MIN_LOOK_MS = 50

/** What the reconciler of nodes works with. */
export interface NodeReconcilerOptions {
  readonly cluster: ClusterState
  readonly engine: Engine
  readonly writer: NodeImagesWriter
  readonly breaker: CircuitBreaker
  /** True where the Job of another node is pulling from a registry now. */
  readonly isPulledElsewhere: (host: string, nodeName: string) => boolean
  /** Answers to the last periodic refresh, by entry key. */
  readonly refreshes: ReadonlyMap<string, TagAnswer>
  /** What registries said lately, by entry key. */
  readonly tagAnswers: () => ReadonlyMap<string, TagAnswer>
  /** Age at which a presence that no list confirms is proved again, in milliseconds. */
  readonly recheckIntervalMs: number
  readonly retryCalls: RetryCalls
  readonly waits: WaitLog
  readonly log: Logger
}

/**
 * The controller of nodes. Each reconcile brings one node nearer to the images of its caches:
 * plan → `NodeImages.spec` → engine → evidence → `NodeImages.status`.
 * A reconcile can be interrupted after any step and repeated:
 * the ledger is written before the attempts that it was read from are deleted.
 */
export class NodeReconciler {
  readonly #options: NodeReconcilerOptions

  constructor(options: NodeReconcilerOptions) {
    this.#options = options
  }

  /** Reconciles the node of this name. */
  async reconcile(name: string, signal: AbortSignal): Promise<HandlerResult> {
    const { cluster, engine, writer, waits } = this.#options
    const node = cluster.nodeInformer.get(name)
    if (!node) {
      writer.forget(name)
      waits.forget(name)
      await engine.forget(name, signal)
      return {}
    }
    try {
      const current = await this.#ownLedger(node, signal)
      const spec = this.#plan(node, current)
      if (current || spec.images?.length) return await this.#carryOut(node, spec, current, signal)
      engine.giveUpTurn(name)
      return {}
    } catch (error) {
      engine.giveUpTurn(name)
      throw error
    }
  }

  /** The NodeImages of the node. That of an older Node of the same name is deleted. */
  async #ownLedger(node: NodeFacts, signal: AbortSignal): Promise<NodeImages | undefined> {
    const { cluster, writer, log } = this.#options
    const { name, uid } = node.metadata
    const current = cluster.nodeImagesInformer.get(name)
    if (!current || current.metadata.ownerReferences?.some(owner => owner.uid === uid)) return current
    log.info({ node: name }, 'the Node was made anew: its NodeImages starts empty')
    await writer.delete(current, signal)
    return undefined
  }

  #plan(node: NodeFacts, current: NodeImages | undefined): NodeImagesSpec {
    const { cluster, refreshes, tagAnswers } = this.#options
    return planNode({
      node,
      caches: cluster.compiledCaches(),
      previous: current?.spec ?? {},
      ledger: current?.status?.images ?? [],
      refreshes,
      beforePulls: tagAnswers(),
    })
  }

  /**
   * Stores the plan, starts work, and stores what was learned.
   * A plan without work is stored together with the ledger, in one write.
   */
  async #carryOut(
    node: NodeFacts,
    spec: NodeImagesSpec,
    current: NodeImages | undefined,
    signal: AbortSignal,
  ): Promise<HandlerResult> {
    const { engine, writer, waits } = this.#options
    const view = this.#viewOf(node, spec, current?.status ?? {})
    const verdicts = engine.verdicts(view)
    const read = this.#record(view, verdicts.evidence)
    const open = this.#openWork(view, read)
    const isPlanStored = current !== undefined && mergePatchOf(current.spec ?? {}, spec) === undefined
    let stored = current
    if (!isPlanStored) {
      const kind = open.pulls.length + open.removals.length > 0 ? 'work' : 'record'
      const written = await writer.write(node, current, { spec, images: read.ledger }, kind, signal)
      // Nothing is started before its request is stored: revisions of two plans must not meet.
      if (written.waitMs > 0) {
        engine.giveUpTurn(node.metadata.name)
        return { requeueAfterMs: Math.max(MIN_LOOK_MS, written.waitMs) }
      }
      stored = written.stored
    }
    const step = await engine.step(
      { ...view, ...read, open, inventory: engine.inventory(node) },
      verdicts,
      signal,
    )
    const isStep = step.evidence.pulls.length + step.evidence.removals.length > 0
    const { ledger } = isStep ? this.#record(view, joined(verdicts.evidence, step.evidence)) : read
    waits.note(node.metadata.name, open.pulls.length + open.removals.length, step.wait?.reason)
    const looks = [verdicts.lookAgainMs, step.lookAgainMs]
    const inventory = engine.inventory(node)
    if (ledger.some(entry => isDoubtful(inventory, entry))) looks.push(LIST_LOOK_MS)
    // A cache may wait for the ledger of a node that has no work left.
    const rests = !isStep && verdicts.ended > 0
    const record = { spec, images: ledger }
    const { waitMs } = await writer.write(node, stored, record, rests ? 'work' : 'record', signal)
    if (waitMs > 0) looks.push(waitMs)
    else await engine.release(view, verdicts, signal)
    const soonest = Math.min(...looks.filter(ms => ms !== undefined))
    return soonest === Infinity ? {} : { requeueAfterMs: Math.max(MIN_LOOK_MS, soonest) }
  }

  #viewOf(node: NodeFacts, plan: NodeImagesSpec, status: NodeImagesStatus): NodeView {
    const { cluster } = this.#options
    return {
      node,
      plan,
      ledger: isSameMachine(node, status) ? (status.images ?? []) : [],
      caches: cacheIndex(cluster.compiledCaches()).byOwner,
      now: cluster.now(),
    }
  }

  /** The ledger with the evidence, and the circuits as the evidence leaves them. */
  #record(view: NodeView, evidence: Evidence): { ledger: readonly LedgerEntry[]; circuits: Circuits } {
    const { engine, breaker, isPulledElsewhere } = this.#options
    const { node, plan, caches, now } = view
    const { name } = node.metadata
    const desired = plan.images ?? []
    const updated = updateLedger({
      ...view,
      inventory: engine.inventory(node),
      desired,
      removals: plan.remove ?? [],
      evidence,
    })
    // What an attempt has just shown of a registry counts at once, before the ledger is written.
    const circuits = withLatest(
      breaker.viewOf(name, now, host => isPulledElsewhere(host, name)),
      updated,
      now,
    )
    return { ledger: failBlockedImages({ desired, caches, circuits, now }, updated), circuits }
  }

  #openWork(
    view: NodeView,
    { ledger, circuits }: { readonly ledger: readonly LedgerEntry[]; readonly circuits: Circuits },
  ): OpenWork {
    const { engine, cluster, recheckIntervalMs, retryCalls } = this.#options
    const { node, plan } = view
    return openWork({
      ...view,
      ledger,
      inventory: engine.inventory(node),
      circuits,
      recheckIntervalMs,
      retryCalledAt: key => retryCalls.calledAt(node.metadata.name, key),
      desired: plan.images ?? [],
      removals: plan.remove ?? [],
      startable: startableKeys(node, cluster.compiledCaches()),
      mayRemove: skipReason(node, { images: [] }) === undefined,
    })
  }
}

function joined(a: Evidence, b: Evidence): Evidence {
  return { pulls: [...a.pulls, ...b.pulls], removals: [...a.removals, ...b.removals] }
}
