import { type DesiredImage, type LedgerEntry, entryKey } from '../../../api/node-images.ts'
import type { Wait } from '../../engine.ts'
import { blocksPulls } from './blocking-pods.ts'
import type { PullJob } from './pull-job.ts'
import type { PullPod } from './pull-pod.ts'

/**
 * Share of one pull in the kubelet's limit (`registryPullQPS` 5), in milliseconds.
 * A batch of ten needs 2 s.
 */
const PULL_COST_MS = 200
/** With the policy `Always` the kubelet asks the registry again at each sync of the Pod, at least once. */
const ALWAYS_COST_MS = 2 * PULL_COST_MS
/** Delay before the next reconcile while a deleted Pod still pulls. */
const BLOCKED_LOOK_MS = 30_000
/** Least time between two Jobs of a node. Creation times have no fractions of a second, and must differ. */
const MIN_PACE_MS = 1_000

/** What the next pull Job waits for at its own node. Undefined where the Job may be created. */
export function nodeWait(input: {
  readonly desired: readonly DesiredImage[]
  readonly ledger: readonly LedgerEntry[]
  /** Pull Jobs of this Node object. */
  readonly jobs: readonly PullJob[]
  readonly pods: readonly PullPod[]
  /** The `jobs` that still pull a wanted image. */
  readonly running: readonly PullJob[]
  /** True where one of `running` has no Pod yet, longer than usual. */
  readonly lacksPod: boolean
  /** True where a removal Job of the node runs. */
  readonly removalRuns: boolean
  readonly now: number
}): Wait | undefined {
  if (input.running.length > 0) return { reason: input.lacksPod ? 'PodNotMade' : 'PullRuns' }
  // The removal's list of images to keep is older than the open pulls, so it might remove one of them.
  if (input.removalRuns) return { reason: 'RemovalRuns' }
  if (input.pods.some(pod => blocksPulls(pod, input.now))) {
    return { reason: 'DeletedPod', inMs: BLOCKED_LOOK_MS }
  }
  const inMs = paceMs(input)
  return inMs > 0 ? { reason: 'PullLimit', inMs } : undefined
}

/**
 * Time until the kubelet's limit has room for another batch, in milliseconds.
 * Existing Jobs count by their annotation. Deleted Jobs count by the ledger.
 */
function paceMs({
  desired,
  ledger,
  jobs,
  now,
}: {
  readonly desired: readonly DesiredImage[]
  readonly ledger: readonly LedgerEntry[]
  readonly jobs: readonly PullJob[]
  readonly now: number
}): number {
  const always = new Set(
    desired.filter(({ pullPolicy }) => pullPolicy === 'Always').map(image => entryKey(image)),
  )
  const costOf = (keys: readonly string[]) =>
    keys.reduce((sum, key) => sum + (always.has(key) ? ALWAYS_COST_MS : PULL_COST_MS), 0)
  const current = jobs.map(({ startedAt, images, credential }) => {
    return [startedAt, costOf(images.map(image => entryKey({ image, credential })))] as const
  })
  const byStart = Map.groupBy(
    ledger.filter(({ attempt }) => attempt?.id !== undefined),
    ({ attempt }) => attempt?.startedAt ?? '',
  )
  const gone = [...byStart].map(([startedAt, entries]) => [startedAt, costOf(entries.map(entryKey))] as const)
  const free = [...current, ...gone]
    .map(([begun, cost]) => Date.parse(begun) + Math.max(MIN_PACE_MS, cost))
    .filter(time => !Number.isNaN(time))
  return Math.max(0, ...free) - now
}
