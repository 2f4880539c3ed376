import { silentLogger } from '../../../src/kube/index.ts'
import { entryKey } from '../../../src/api/node-images.ts'
import { classifyPullError } from '../../../src/api/failure-reasons.ts'
import type { PullEvidence, PullVerdict, RemovalEvidence } from '../../../src/core/ledger/index.ts'
import type { Inventory } from '../../../src/core/node/index.ts'
import type { Engine, NodeView, Step, StepInput, Verdicts } from '../../../src/engines/engine.ts'
import { CircuitBreaker } from '../../../src/state/circuit-breaker.ts'
import { ClusterState } from '../../../src/state/cluster-state.ts'
import { engineContract } from './engine-contract.ts'
import type { TestedNode } from './tested-node.ts'

/**
 * An engine of a few lines fits behind the interface of engines: it asks an agent on the node, and the
 * agent remembers.
 */

/** A pull as the agent on the node remembers it. */
interface ToyPull extends Omit<PullEvidence, 'verdict'> {
  readonly image: string
  readonly policy: 'Always' | 'IfNotPresent'
  readonly nodeUid: string
}

/** The agent on the node. It outlives all processes of the engine. */
class ToyAgent {
  readonly node: TestedNode
  readonly pulls = new Map<string, ToyPull>()
  /** Empty where an image is there, else the words of the failure. */
  readonly results = new Map<string, string>()

  constructor(node: TestedNode) {
    this.node = node
  }

  /** Goes on with all pulls. */
  work(): void {
    for (const { id, image, policy } of this.pulls.values()) {
      const words = this.results.get(id) ?? this.node.pull(id, image, policy)
      if (words !== undefined) this.results.set(id, words)
    }
  }
}

/** It lists nothing: what is on the node is known by its attempts. */
const NO_INVENTORY: Inventory = {
  isWhole: false,
  find: () => ({ state: 'unknown' }),
  isNewerThan: () => false,
}

interface ToyVerdicts extends Verdicts {
  readonly endedIds: readonly string[]
}

class ToyEngine implements Engine<ToyVerdicts> {
  readonly #agent: ToyAgent

  constructor(agent: ToyAgent) {
    this.#agent = agent
  }

  inventory(): Inventory {
    return NO_INVENTORY
  }

  verdicts(view: NodeView): ToyVerdicts {
    const own = [...this.#agent.pulls.values()].filter(pull => pull.nodeUid === view.node.metadata.uid)
    const pulls = own.map(pull => ({ ...pull, verdict: verdictOf(this.#agent.results.get(pull.id)) }))
    const endedIds = pulls.filter(({ verdict }) => verdict.kind !== 'pulling').map(({ id }) => id)
    return { evidence: { pulls, removals: [] }, ended: endedIds.length, endedIds }
  }

  async step({ node, plan, caches, open, now }: StepInput): Promise<Step> {
    const { uid = '' } = node.metadata
    const startedAt = new Date(now).toISOString()
    const inFlight = new Set([...this.#agent.pulls.values()].map(({ key }) => key))
    const started = open.pulls.flatMap(({ desired, entry }): ToyPull[] => {
      const { image, revision, pullPolicy: policy, owners } = desired
      const key = entryKey(desired)
      if (inFlight.has(key) || !owners.some(owner => caches.has(owner))) return []
      const id = `${uid} ${key} ${revision} ${entry?.attempt?.finishedAt ?? ''}`
      return [{ id, key, image, policy, revision, startedAt, owner: owners[0] ?? '', nodeUid: uid }]
    })
    for (const pull of started) this.#agent.pulls.set(pull.id, pull)
    const removals = open.removals.map((removal): RemovalEvidence => {
      const facts = { key: entryKey(removal), id: `${plan.revision}`, revision: removal.revision, startedAt }
      return this.#agent.node.remove(removal.image)
        ? { ...facts, verdict: { kind: 'removed' } }
        : { ...facts, verdict: { kind: 'kept', reason: 'InUse', message: '' } }
    })
    const pulls = started.map(pull => ({ ...pull, verdict: { kind: 'pulling' } as const }))
    return { evidence: { pulls, removals } }
  }

  async release(view: NodeView, { endedIds }: ToyVerdicts): Promise<void> {
    const { uid } = view.node.metadata
    for (const id of endedIds) this.#agent.pulls.delete(id)
    for (const [id, { nodeUid }] of this.#agent.pulls) if (nodeUid !== uid) this.#agent.pulls.delete(id)
  }

  giveUpTurn(): void {}

  async forget(): Promise<void> {
    this.#agent.pulls.clear()
  }
}

function verdictOf(words: string | undefined): PullVerdict {
  if (words === undefined) return { kind: 'pulling' }
  return words === ''
    ? { kind: 'present' }
    : { kind: 'failed', reason: classifyPullError(words), message: words }
}

engineContract('a toy engine', ({ client, node }) => {
  const agent = new ToyAgent(node)
  const working = setInterval(() => agent.work(), 50)
  return {
    newProcess: () => ({
      engine: new ToyEngine(agent),
      cluster: new ClusterState(client, { defaultPolicy: 'IfNotPresent', log: silentLogger }),
      breaker: new CircuitBreaker(),
      informers: [],
      close: () => {},
    }),
    loseAttempt: async () => agent.pulls.clear(),
    stop: async () => clearInterval(working),
  }
})
