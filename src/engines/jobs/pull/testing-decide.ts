import { SETTINGS } from '../../../../test/builders/job.ts'
import { circuitsOf } from '../../../../test/builders/circuits.ts'
import { desiredOf } from '../../../../test/builders/node-images.ts'
import { nodeOf } from '../../../../test/builders/node.ts'
import { T0 } from '../../../../test/builders/time.ts'
import { type DesiredImage, type LedgerEntry, type Removal, entryKey } from '../../../api/node-images.ts'
import type { CompiledCache } from '../../../core/demand/index.ts'
import {
  type Circuits,
  failBlockedImages,
  isDoubtful,
  openWork,
  updateLedger,
} from '../../../core/ledger/index.ts'
import { type NodeFacts, nodeListInventory } from '../../../core/node/index.ts'
import { withLatest } from '../../../state/circuit-breaker.ts'
import type { Wait } from '../../engine.ts'
import { type JobRequest, chooseJob, keysInFlight } from './choose-job.ts'
import type { JobSettings, PullMethod } from './job-settings.ts'
import { nodeWait } from './node-wait.ts'
import type { PullJob } from './pull-job.ts'
import type { PullPod } from './pull-pod.ts'
import { readPullJobs } from './verdicts.ts'

/** For tests: all that one look at the pulls of a node depends on. */
export interface PullWork {
  readonly node: NodeFacts
  readonly desired: readonly DesiredImage[]
  readonly removals: readonly Removal[]
  readonly ledger: readonly LedgerEntry[]
  readonly jobs: readonly PullJob[]
  readonly pods: readonly PullPod[]
  readonly caches: ReadonlyMap<string, CompiledCache>
  readonly circuits: Circuits
  readonly methodIn: (namespace: string) => PullMethod
  readonly refusals: ReadonlyMap<string, string>
  readonly settings: JobSettings
  readonly recheckIntervalMs: number
  readonly now: number
}

/** For tests: what comes of one look at the pulls of a node. */
export interface PullDecision {
  readonly ledger: readonly LedgerEntry[]
  /** Jobs that may go once the ledger is written. */
  readonly finished: readonly PullJob[]
  /** Jobs whose missing Pod is to be explained. */
  readonly unexplained: readonly PullJob[]
  readonly start?: JobRequest
  readonly wait?: Wait['reason']
  readonly withoutVolumes: readonly string[]
  readonly lookAgainMs?: number
}

/** Greatest revision that the requests of tests have. */
const NEWEST_REVISION = 1_000
/** As in the reconciler of nodes. */
const LIST_LOOK_MS = 30_000

/** Work of the node `n1` for one cache. All of it may start. */
export function workOf(cache: CompiledCache, changes: Partial<PullWork> = {}): PullWork {
  return {
    node: nodeOf('n1'),
    desired: desiredOf(cache.cache.spec.cacheSpec[0]?.images ?? [], cache),
    removals: [],
    ledger: [],
    jobs: [],
    pods: [],
    caches: new Map([[cache.owner, cache]]),
    circuits: circuitsOf(),
    methodIn: () => 'image-volumes',
    refusals: new Map(),
    settings: SETTINGS,
    recheckIntervalMs: 0,
    now: T0,
    ...changes,
  }
}

/**
 * One look at the pulls of a node, without API server and without slots: Jobs are read, the ledger is
 * updated, and the next Job is chosen, as the reconciler of nodes and the Job engine do it. Pure.
 *
 * @param startable keys of the images that the node may have work for. Absent: all.
 */
export function decidePulls(
  work: PullWork,
  startable: ReadonlySet<string> = new Set(work.desired.map(entryKey)),
): PullDecision {
  const { node, jobs, now } = work
  const { uid = '' } = node.metadata
  const inventory = nodeListInventory(node)
  const { evidence, running, finished, withoutVolumes } = readPullJobs(
    jobs,
    { ...work, inventory },
    uid,
    NEWEST_REVISION,
  )
  const updated = updateLedger({ ...work, inventory, evidence: { pulls: evidence, removals: [] } })
  const circuits = withLatest(work.circuits, updated, now)
  const ledger = failBlockedImages({ ...work, circuits }, updated)
  const open = openWork({ ...work, ledger, inventory, circuits, startable, mayRemove: true })
  const inFlight = keysInFlight(running.map(({ job }) => job))
  const pulls = open.pulls.filter(pull => !inFlight.has(entryKey(pull.desired)))
  const own = jobs.filter(({ nodeUid }) => nodeUid === uid)
  const atNode =
    pulls.length === 0
      ? undefined
      : nodeWait({
          ...work,
          ledger,
          jobs: own,
          running: running.map(({ job }) => job),
          lacksPod: running.some(({ unexplained }) => unexplained),
          removalRuns: false,
        })
  const start = pulls.length > 0 && !atNode ? chooseJob(pulls, { ...work, ledger, circuits }) : undefined
  const isTrial = pulls.length > 0 && !atNode && !start
  const looks = [
    ...running.map(({ lookAgainMs }) => lookAgainMs),
    ...[...open.later].map(([key, inMs]) => (inFlight.has(key) ? undefined : inMs)),
    atNode?.inMs,
    isTrial ? 60_000 : undefined,
    ledger.some(entry => isDoubtful(inventory, entry)) ? LIST_LOOK_MS : undefined,
  ].filter(ms => ms !== undefined)
  const wait = isTrial ? 'RegistryTrial' : atNode?.reason
  return {
    ledger,
    finished,
    unexplained: running.filter(({ unexplained }) => unexplained).map(({ job }) => job),
    ...(start && { start }),
    ...(wait && { wait }),
    withoutVolumes,
    ...(looks.length > 0 && { lookAgainMs: Math.max(50, Math.min(...looks)) }),
  }
}

/** For tests: what an entry says of its pull, in one word. */
export function wordOf({ presence, attempt }: LedgerEntry): string {
  if (attempt?.state === 'Failed') return attempt.reason ?? 'Failed'
  if (presence?.state === 'Present') return 'Present'
  if (attempt && attempt.state !== 'Succeeded') return attempt.state
  return presence?.state === 'Absent' && presence.by === 'NodeList' ? 'Disappeared' : 'Pending'
}
