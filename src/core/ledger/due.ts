import { isPermanent } from '../../api/failure-reasons.ts'
import { type DesiredImage, type LedgerEntry, entryKey } from '../../api/node-images.ts'
import { backoffMs, fraction } from '../../base/backoff.ts'
import { hostOf } from '../../oci/registry-host.ts'
import type { CompiledCache } from '../demand/index.ts'
import type { Inventory, NodeFacts } from '../node/index.ts'
import { isMissed } from './apply-inventory.ts'
import { type Circuits, isSilence } from './circuits.ts'
import { hasPullFailed, isPresent, isPullAnswered } from './entry.ts'
import { failureFor } from './owner-failures.ts'

/** Whether an image needs an attempt, and when. */
export type Due =
  /** Not now. Time alone does not change that. */
  | { readonly kind: 'settled' }
  /** In that many milliseconds. */
  | { readonly kind: 'later'; readonly inMs: number }
  /**
   * Now.
   * `ask`: the registry is asked. `prove`: only the node is asked whether it still has the image.
   * `urgent`: nobody has tried it for this request.
   */
  | { readonly kind: 'now'; readonly how: 'ask' | 'prove'; readonly urgent: boolean }

/** What decides when an image is due. */
export interface DueInput {
  readonly node: NodeFacts
  readonly inventory: Inventory
  readonly caches: ReadonlyMap<string, CompiledCache>
  readonly circuits: Circuits
  /** Age at which a presence that no list confirms is proved again, in milliseconds. 0: never. */
  readonly recheckIntervalMs: number
  /**
   * When the node was last called to try an image again although its failure is permanent, by entry key,
   * RFC 3339.
   */
  readonly retryCalledAt?: (key: string) => string | undefined
  /** Milliseconds since the epoch. */
  readonly now: number
}

const SETTLED: Due = { kind: 'settled' }

/** When an image that the node is to hold needs an attempt. */
export function pullDue(desired: DesiredImage, entry: LedgerEntry | undefined, input: DueInput): Due {
  if (entry?.attempt?.owner !== undefined && hasPullFailed(entry)) return ownersDue(desired, entry, input)
  const isAnswered = isPullAnswered(entry, desired)
  if (entry && isAnswered && hasPullFailed(entry)) return retryDue(desired, entry, input)
  if (entry && isAnswered && isPresent(entry)) return recheckDue(desired, entry, input)
  // Attempts that keep teaching nothing (deleted Pods, throttled pulls) must not become a loop.
  const count = entry?.attempt?.count ?? 0
  const isAskedAgain = hasPullFailed(entry)
  const pause = count > 2 && !isAskedAgain ? backoffMs(count - 2, jitterKey(desired, input)) : 0
  const at = Date.parse(entry?.attempt?.finishedAt ?? '') + pause
  if (pause > 0 && at > input.now) return { kind: 'later', inMs: at - input.now }
  const hasDisappeared = entry?.presence?.state === 'Absent' && entry.presence.by === 'NodeList'
  const isUntried = count === 0 && !hasDisappeared
  // An image that shared a Job that failed has had no attempt of its own.
  const isUnproven = entry?.attempt?.state === 'Unproven'
  const urgent = !isPresent(entry) && (hasPullFailed(entry) || isUntried || isUnproven)
  return { kind: 'now', how: 'ask', urgent }
}

/**
 * The last attempt failed for one cache alone. The next cache tries it with a Job of its own, and each cache
 * has pauses of its own.
 */
function ownersDue(desired: DesiredImage, entry: LedgerEntry, input: DueInput): Due {
  const active = desired.owners.filter(owner => input.caches.get(owner)?.activity === 'active')
  const dues = (active.length > 0 ? active : desired.owners).map((owner): Due => {
    const failure = failureFor(entry, owner)
    if (!failure || failure.revision < desired.revision) {
      return { kind: 'now', how: 'ask', urgent: !isPresent(entry) }
    }
    const own = { ...entry, attempt: { ...failure, state: 'Failed' as const } }
    return retryDue({ ...desired, owners: [owner] }, own, input)
  })
  const now = dues.filter(due => due.kind === 'now')
  const later = dues.flatMap(due => (due.kind === 'later' ? [due.inMs] : []))
  if (now.length > 0) return now.find(({ urgent }) => urgent) ?? now[0] ?? SETTLED
  return later.length > 0 ? { kind: 'later', inMs: Math.min(...later) } : SETTLED
}

function retryDue(desired: DesiredImage, entry: LedgerEntry, input: DueInput): Due {
  const { reason, finishedAt = '', count = 1 } = entry.attempt ?? {}
  if (isPermanent(reason) && !lacksSecret(desired, entry)) {
    const calledAt = input.retryCalledAt?.(entryKey(desired)) ?? ''
    const isCalled = Date.parse(calledAt) > Date.parse(finishedAt)
    return isCalled ? { kind: 'now', how: 'ask', urgent: false } : SETTLED
  }
  const at = Date.parse(finishedAt) + backoffMs(count, jitterKey(desired, input))
  const recoveredAt = causeRecoveredAt(desired, entry, input)
  const isRecovered = recoveredAt !== undefined && Date.parse(recoveredAt) > Date.parse(finishedAt)
  if (isRecovered || !(at > input.now)) return { kind: 'now', how: 'ask', urgent: false }
  return { kind: 'later', inMs: Math.min(at, namespaceTrialAt(entry, desired, input) ?? at) - input.now }
}

/**
 * A node whose own Job was refused tries the namespace again. The other nodes learn of it when the
 * namespace opens.
 */
function namespaceTrialAt(entry: LedgerEntry, desired: DesiredImage, input: DueInput): number | undefined {
  if (entry.attempt?.reason !== 'JobRefused' || entry.attempt.id === undefined) return undefined
  const times = namespacesOf(desired, input).map(namespace => input.circuits.namespaceRetryAt(namespace))
  return times.find(time => time !== undefined && time > input.now)
}

function namespacesOf(desired: DesiredImage, { caches }: DueInput): string[] {
  return desired.owners.map(owner => caches.get(owner)?.cache.metadata.namespace ?? '')
}

/**
 * The kubelet asked without credentials although the cache names pull secrets: the Secret does not exist
 * yet, or the kubelet does not see it yet. No event tells when that changes.
 * A secret that the registry refuses is not tried again and again: that may lock an account.
 */
function lacksSecret(desired: DesiredImage, entry: LedgerEntry): boolean {
  return desired.credential !== undefined && /no basic auth credentials/.test(entry.attempt?.message ?? '')
}

/** When the cause that all images of a registry, or of a namespace, had in common was over. */
function causeRecoveredAt(desired: DesiredImage, entry: LedgerEntry, input: DueInput): string | undefined {
  // An error status is about one image. Silence ends for all images of the registry at once.
  if (isSilence(entry)) return input.circuits.registryAnsweredAt(hostOf(desired.image))
  if (entry.attempt?.reason !== 'JobRefused') return undefined
  return namespacesOf(desired, input)
    .filter(namespace => input.circuits.namespaceRefusal(namespace) === undefined)
    .map(namespace => input.circuits.namespaceOpenedAt(namespace))
    .find(time => time !== undefined)
}

function recheckDue(desired: DesiredImage, entry: LedgerEntry, input: DueInput): Due {
  // A whole list that has shown the image tells when it goes. There is nothing to prove.
  const isWatched = input.inventory.isWhole && entry.presence?.listed === true
  if (isWatched) return SETTLED
  if (isMissed(input.inventory, entry)) return proofAt(pauseEnd(desired, entry, input), input)
  if (input.recheckIntervalMs <= 0) return SETTLED
  const { diskPressureAt } = input.node
  // The clock of the node may differ from ours, so its times are compared with each other only.
  const isProvedBefore = diskPressureAt !== undefined && diskPressureAt !== entry.presence?.diskPressureAt
  const provedAt = Date.parse(entry.presence?.since ?? '')
  const jitter = 0.9 + 0.2 * fraction(jitterKey(desired, input))
  const wantedAt = isProvedBefore ? input.now : provedAt + input.recheckIntervalMs * jitter
  return proofAt(Math.max(wantedAt, pauseEnd(desired, entry, input)), input)
}

function proofAt(at: number, { now }: DueInput): Due {
  return at > now ? { kind: 'later', inMs: at - now } : { kind: 'now', how: 'prove', urgent: false }
}

/** When an image that could not be proved is tried again, in milliseconds since the epoch. */
function pauseEnd(desired: DesiredImage, { attempt }: LedgerEntry, input: DueInput): number {
  if (attempt?.state !== 'Unknown') return 0
  return Date.parse(attempt.finishedAt ?? '') + backoffMs(attempt.count ?? 1, jitterKey(desired, input))
}

/** Differs between nodes: not all of them come back in the same second. */
function jitterKey(
  image: { image: string; credential?: string | undefined },
  { node }: Pick<DueInput, 'node'>,
): string {
  return `${node.metadata.uid ?? ''} ${entryKey(image)}`
}
