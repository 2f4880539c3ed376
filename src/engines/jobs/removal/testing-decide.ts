import { circuitsOf } from '../../../../test/builders/circuits.ts'
import { entryOf, removalOf } from '../../../../test/builders/node-images.ts'
import { nodeOf } from '../../../../test/builders/node.ts'
import { REMOVAL_SETTINGS } from '../../../../test/builders/removal-job.ts'
import { T0 } from '../../../../test/builders/time.ts'
import type { LedgerEntry, Removal } from '../../../api/node-images.ts'
import { type RemovalEvidence, openWork, updateLedger } from '../../../core/ledger/index.ts'
import { type NodeFacts, nodeListInventory } from '../../../core/node/index.ts'
import type { KeptReferences } from '../../../core/plan/index.ts'
import { type ChosenRemoval, type RemovalRequest, chooseRemoval } from './choose-removal.ts'
import type { RemovalJob, RemovalPod } from './removal-job.ts'
import { readRemovalJobs } from './verdicts.ts'

/** For tests: all that one look at the removals of a node depends on. */
export interface RemovalWork {
  readonly node: NodeFacts
  readonly removals: readonly Removal[]
  readonly ledger: readonly LedgerEntry[]
  readonly kept: KeptReferences
  readonly ownImages: readonly string[]
  readonly jobs: readonly RemovalJob[]
  readonly pods: readonly RemovalPod[]
  readonly mayRemove: boolean
  readonly refusals: ReadonlyMap<string, string>
  readonly mountFailures: ReadonlyMap<string, string>
  readonly now: number
}

/** For tests: what comes of one look at the removals of a node. */
export interface RemovalDecision {
  readonly ledger: readonly LedgerEntry[]
  readonly finished: readonly RemovalJob[]
  readonly unexplained: readonly RemovalJob[]
  readonly start?: RemovalRequest
  readonly fail?: Extract<ChosenRemoval, { kind: 'fail' }>
  readonly lookAgainMs?: number
}

/** Removals of images that the node `n1` holds. */
export function workOf(images: readonly string[], changes: Partial<RemovalWork> = {}): RemovalWork {
  return {
    node: nodeOf('n1'),
    removals: images.map(image => removalOf(image)),
    ledger: images.map(image => entryOf(image, { owners: ['x'] })),
    kept: { byRepository: new Map(), lookedUp: [] },
    ownImages: [],
    jobs: [],
    pods: [],
    mayRemove: true,
    refusals: new Map(),
    mountFailures: new Map(),
    now: T0,
    ...changes,
  }
}

/**
 * One look at the removals of a node, without API server and without slots: Jobs are read, the ledger is
 * updated, and the next Job is chosen, as the reconciler of nodes and the Job engine do it. Pure.
 */
export function decideRemovals(work: RemovalWork): RemovalDecision {
  const { node, jobs } = work
  const readings = readRemovalJobs(
    jobs,
    {
      ...work,
      helperPullSecrets: REMOVAL_SETTINGS.helperPullSecrets,
      deadlineMs: REMOVAL_SETTINGS.deadlineMs,
    },
    node.metadata.uid ?? '',
  )
  const inventory = nodeListInventory(node)
  const ledger = withEvidence(work, readings.evidence)
  const open = openWork({
    ...work,
    ledger,
    inventory,
    caches: new Map(),
    circuits: circuitsOf(),
    recheckIntervalMs: 0,
    desired: [],
    startable: new Set(),
  })
  const isRunning = readings.running.length > 0
  const choice = { ...work, ledger, keptBeside: () => work.kept, namespaceOf: (owner: string) => owner }
  const chosen = isRunning ? undefined : chooseRemoval(open.removals, choice)
  const looks = [
    ...readings.running.map(({ lookAgainMs }) => lookAgainMs),
    ...(isRunning ? [] : open.later.values()),
  ].filter(ms => ms !== undefined)
  return {
    ledger,
    finished: readings.finished,
    unexplained: readings.running.filter(({ unexplained }) => unexplained).map(({ job }) => job),
    ...(chosen?.kind === 'start' && { start: chosen.request }),
    ...(chosen?.kind === 'fail' && { fail: chosen }),
    ...(looks.length > 0 && { lookAgainMs: Math.min(...looks) }),
  }
}

/** The ledger after a removal Job was started, or could not be started. */
export function afterStart(
  work: RemovalWork,
  { name: id, keys, revision, startedAt }: RemovalRequest,
  verdict: RemovalEvidence['verdict'] = { kind: 'removing' },
): LedgerEntry[] {
  return withEvidence(
    work,
    keys.map(key => ({ key, id, revision, startedAt, verdict })),
  )
}

function withEvidence(work: RemovalWork, removals: readonly RemovalEvidence[]): LedgerEntry[] {
  return updateLedger({
    ...work,
    inventory: nodeListInventory(work.node),
    desired: [],
    caches: new Map(),
    evidence: { pulls: [], removals },
  })
}
