import type { LedgerEntry, NodeImages } from '../../api/node-images.ts'
import {
  type Circuits,
  type Evidence,
  failBlockedImages,
  isDoubtful,
  isSameMachine,
  openWork,
  updateLedger,
} from '../../core/ledger/index.ts'
import { type NodeFacts, skipReason } from '../../core/node/index.ts'
import { type TagAnswer, planNode, startableKeys } from '../../core/plan/index.ts'
import type { Engine, NodeView, Step, Verdicts } from '../../engines/engine.ts'
import type { HandlerResult, Logger } from '../../kube/index.ts'
import { type CircuitBreaker, withLatest } from '../../state/circuit-breaker.ts'
import type { ClusterState } from '../../state/cluster-state.ts'
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
      const nodeImages = await this.#writePlan(node, signal)
      if (nodeImages) return await this.#carryOut(node, nodeImages, signal)
      engine.giveUpTurn(name)
      return {}
    } catch (error) {
      engine.giveUpTurn(name)
      throw error
    }
  }

  /** Writes the plan of the node. Undefined where no cache wants an image on it. */
  async #writePlan(node: NodeFacts, signal: AbortSignal): Promise<NodeImages | undefined> {
    const { cluster, writer, refreshes, tagAnswers, log } = this.#options
    const { name, uid } = node.metadata
    let current = cluster.nodeImagesInformer.get(name)
    if (current && !current.metadata.ownerReferences?.some(owner => owner.uid === uid)) {
      log.info({ node: name }, 'the Node was made anew: its NodeImages starts empty')
      await writer.delete(current, signal)
      current = undefined
    }
    const spec = planNode({
      node,
      caches: cluster.compiledCaches(),
      previous: current?.spec ?? {},
      ledger: current?.status?.images ?? [],
      refreshes,
      beforePulls: tagAnswers(),
    })
    if (current) return writer.writeSpec(current, spec, signal)
    return spec.images?.length ? writer.create(node, spec, signal) : undefined
  }

  async #carryOut(node: NodeFacts, nodeImages: NodeImages, signal: AbortSignal): Promise<HandlerResult> {
    const { engine, writer, waits } = this.#options
    const view = this.#viewOf(node, nodeImages)
    const verdicts = engine.verdicts(view)
    const read = this.#record(view, verdicts.evidence)
    const { step, open } = await this.#step(view, verdicts, read, signal)
    const isStep = step.evidence.pulls.length + step.evidence.removals.length > 0
    const { ledger } = isStep ? this.#record(view, joined(verdicts.evidence, step.evidence)) : read
    waits.note(node.metadata.name, open, step.wait?.reason)
    const looks = [verdicts.lookAgainMs, step.lookAgainMs]
    const inventory = engine.inventory(node)
    if (ledger.some(entry => isDoubtful(inventory, entry))) looks.push(LIST_LOOK_MS)
    const rests = !isStep && verdicts.ended > 0
    const waitMs = await writer.writeLedger(node, nodeImages, { images: ledger, rests }, signal)
    if (waitMs > 0) looks.push(waitMs)
    else await engine.release(view, verdicts, signal)
    const soonest = Math.min(...looks.filter(ms => ms !== undefined))
    return soonest === Infinity ? {} : { requeueAfterMs: Math.max(MIN_LOOK_MS, soonest) }
  }

  #viewOf(node: NodeFacts, { spec = {}, status = {} }: NodeImages): NodeView {
    const { cluster } = this.#options
    return {
      node,
      plan: spec,
      ledger: isSameMachine(node, status) ? (status.images ?? []) : [],
      caches: new Map(cluster.compiledCaches().map(cache => [cache.owner, cache])),
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

  async #step(
    view: NodeView,
    verdicts: Verdicts,
    { ledger, circuits }: { ledger: readonly LedgerEntry[]; circuits: Circuits },
    signal: AbortSignal,
  ): Promise<{ step: Step; open: number }> {
    const { engine, cluster, recheckIntervalMs } = this.#options
    const { node, plan } = view
    const inventory = engine.inventory(node)
    const open = openWork({
      ...view,
      ledger,
      inventory,
      circuits,
      recheckIntervalMs,
      desired: plan.images ?? [],
      removals: plan.remove ?? [],
      startable: startableKeys(node, cluster.compiledCaches()),
      mayRemove: skipReason(node, { images: [] }) === undefined,
    })
    const step = await engine.step({ ...view, ledger, open, circuits, inventory }, verdicts, signal)
    return { step, open: open.pulls.length + open.removals.length }
  }
}

function joined(a: Evidence, b: Evidence): Evidence {
  return { pulls: [...a.pulls, ...b.pulls], removals: [...a.removals, ...b.removals] }
}
