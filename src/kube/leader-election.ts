import type { KubeClient } from './client.ts'
import { findClusterLock } from './cluster-lock.ts'
import { isKubeError } from './errors.ts'
import { LEASES, type Lease } from './lease.ts'
import { LeaseLock } from './lease-lock.ts'
import { type Logger, silentLogger } from '../base/logger.ts'
import type { Resource } from './resource.ts'
import { Term } from './term.ts'
import { sleep } from './wait.ts'

/** Settings of one candidate in a leader election. */
export interface LeaderElectionOptions {
  readonly client: KubeClient
  /** Name of the Lease. */
  readonly name: string
  /** Namespace of the Lease. With the scope `cluster`: the namespace in which a missing Lease is created. */
  readonly namespace: string
  /**
   * Who competes: candidates of the same namespace (default), or of all namespaces. With `cluster` the lock
   * is the oldest Lease of that name, see ADR 14.
   */
  readonly scope?: 'namespace' | 'cluster'
  /** Unique among the candidates: the Pod's name and a random part. */
  readonly identity: string
  /** Milliseconds after the last observed renewal until another candidate takes over. Default 10 000. */
  readonly leaseDurationMs?: number
  /**
   * Milliseconds that a leader continues without a renewal. Must be less than the lease duration. Default: 7
   * 000.
   */
  readonly renewDeadlineMs?: number
  /** Milliseconds between two attempts. Default 2 000. */
  readonly retryPeriodMs?: number
  readonly signal: AbortSignal
  /**
   * The leader's work. Its signal fires when leadership is lost (with a KubeError `LeaseLost`) or when
   * `signal` fires. In the second case the Lease is held until the work settles. `ledBeforeAt` is the time
   * at which the previous leader last renewed or released the Lease, by its own clock, as RFC 3339.
   * Undefined when there was no previous leader.
   */
  readonly lead: (signal: AbortSignal, ledBeforeAt: string | undefined) => Promise<void>
  /** Called at each retry while another candidate leads, that is, renews the Lease. */
  readonly onWaiting?: (leader: Leader) => void
  /**
   * Called when leadership is lost, after `lead` settled. To exit and restart the process instead, fire
   * `signal` here.
   */
  readonly onLost?: () => void
  readonly log?: Logger
}

/** The current leader. */
export interface Leader {
  readonly identity: string
  /** Namespace of the Lease. */
  readonly namespace: string
}

type Outcome =
  | { readonly type: 'finished' }
  | { readonly type: 'failed'; readonly error: unknown }
  | { readonly type: 'lost' }

/**
 * Takes part in a leader election through a Lease until the signal fires, and runs `lead` while elected.
 * Follows client-go's tools/leaderelection.
 *
 * Another leader's Lease is expired when this process has seen it unchanged for its duration, on its own
 * monotonic clock. The time in the Lease is never compared with our clock. A leader that has not renewed the
 * Lease for the renew deadline has lost it. From then on its client refuses writes. When `lead` ends or the
 * signal fires, the Lease is released, so that the next leader does not wait. After a loss, this candidate
 * tries again. Rejects with the error of `lead`.
 */
export async function runWithLeaderElection(options: LeaderElectionOptions): Promise<void> {
  const { signal, client, name, identity } = options
  const times = {
    leaseDurationMs: options.leaseDurationMs ?? 10_000,
    renewDeadlineMs: options.renewDeadlineMs ?? 7000,
    retryPeriodMs: options.retryPeriodMs ?? 2000,
  }
  checkTimes(times)
  const log = options.log ?? silentLogger
  const leases = client.resource<Lease>(LEASES, {
    forLease: true,
    retries: 0,
    // One hanging attempt must leave time for another before the deadline.
    timeoutMs: times.renewDeadlineMs / 2,
  })
  while (!signal.aborted) {
    const lock = await acquire(leases, times, options, log)
    if (!lock) return
    log.info({ lease: name, identity }, 'became the leader')
    const outcome = await leadWhileRenewing(lock, times, options, log)
    if (outcome.type !== 'lost') {
      await release(lock, times.renewDeadlineMs, log)
      if (outcome.type === 'failed') throw outcome.error
      return
    }
    log.error({ lease: name, identity }, 'lost leadership')
    options.onLost?.()
  }
}

interface Times {
  readonly leaseDurationMs: number
  readonly renewDeadlineMs: number
  readonly retryPeriodMs: number
}

function checkTimes({ leaseDurationMs, renewDeadlineMs, retryPeriodMs }: Times): void {
  if (!(leaseDurationMs > renewDeadlineMs && renewDeadlineMs > retryPeriodMs && retryPeriodMs > 0)) {
    throw new RangeError(
      `lease ${leaseDurationMs} ms must be longer than renew deadline ${renewDeadlineMs} ms, and that than retry period ${retryPeriodMs} ms`,
    )
  }
}

/** Retries until a Lease is ours. Undefined when the signal fires before. */
async function acquire(
  leases: Resource<Lease>,
  times: Times,
  options: LeaderElectionOptions,
  log: Logger,
): Promise<LeaseLock | undefined> {
  const { signal } = options
  let lock: LeaseLock | undefined
  let namespace = options.namespace
  while (!signal.aborted) {
    // Jitter, so that candidates do not retry at the same moment.
    let waitMs = times.retryPeriodMs * (1 + Math.random() * 0.2)
    try {
      if (!lock) {
        namespace = await lockNamespace(leases, options)
        lock = newLock(leases, namespace, times, options)
      }
      const state = await lock.tryAcquireOrRenew(signal)
      if (state === 'ours') return lock
      if (state === 'taken' && lock.liveHolder !== undefined) {
        options.onWaiting?.({ identity: lock.liveHolder, namespace })
      }
      if (state === 'gone') {
        log.warn({ lease: options.name, namespace }, 'the lease was deleted; looking for another one')
        lock = undefined
        // The old leader may not know of the deletion yet. It stops before its lease would expire.
        waitMs = times.leaseDurationMs
      }
    } catch (error) {
      if (signal.aborted) break
      log.warn({ err: error }, 'cannot acquire the lease')
    }
    await pause(waitMs, signal)
  }
  return undefined
}

async function lockNamespace(leases: Resource<Lease>, options: LeaderElectionOptions): Promise<string> {
  const { scope, name, namespace, signal } = options
  return scope === 'cluster' ? findClusterLock(leases, { name, namespace }, signal) : namespace
}

function newLock(
  leases: Resource<Lease>,
  namespace: string,
  { leaseDurationMs }: Times,
  { name, identity, scope }: LeaderElectionOptions,
): LeaseLock {
  return new LeaseLock(leases, { namespace, name, identity, leaseDurationMs, create: scope !== 'cluster' })
}

async function leadWhileRenewing(
  lock: LeaseLock,
  times: Times,
  options: LeaderElectionOptions,
  log: Logger,
): Promise<Outcome> {
  const term = new Term(lock.renewedAt + times.renewDeadlineMs)
  options.client.writeOnlyDuring(term)
  const leading = new AbortController()
  const stop = () => leading.abort(options.signal.reason)
  if (options.signal.aborted) stop()
  else options.signal.addEventListener('abort', stop, { once: true })
  term.signal.addEventListener('abort', () => leading.abort(term.signal.reason), { once: true })
  // Renewing continues until the work has settled.
  const settled = new AbortController()
  const work = settle(options.lead, leading.signal, lock.renewedBeforeAt).finally(() => settled.abort())
  try {
    await keepRenewing({ lock, term, times, signal: settled.signal, log })
    const outcome = await work
    return term.isOver && outcome.type !== 'failed' ? { type: 'lost' } : outcome
  } finally {
    term.end()
    options.signal.removeEventListener('abort', stop)
  }
}

async function settle(
  lead: LeaderElectionOptions['lead'],
  signal: AbortSignal,
  ledBeforeAt: string | undefined,
): Promise<Outcome> {
  try {
    await lead(signal, ledBeforeAt)
    return { type: 'finished' }
  } catch (error) {
    return { type: 'failed', error }
  }
}

/** Extends the term by renewals until the signal fires. Ends it when the lease is lost. */
async function keepRenewing({
  lock,
  term,
  times: { renewDeadlineMs, retryPeriodMs },
  signal,
  log,
}: {
  readonly lock: LeaseLock
  readonly term: Term
  readonly times: Times
  readonly signal: AbortSignal
  readonly log: Logger
}): Promise<void> {
  let attemptAt = lock.renewedAt
  for (;;) {
    // An attempt that took long is followed by the next one at once.
    const nextAt = Math.min(attemptAt + retryPeriodMs, term.until)
    await pause(nextAt - performance.now(), signal)
    if (signal.aborted || term.isOver) return
    attemptAt = performance.now()
    try {
      const attempt = AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(term.until - attemptAt))])
      const state = await lock.tryAcquireOrRenew(attempt)
      if (state === 'ours') term.extend(lock.renewedAt + renewDeadlineMs)
      else term.end()
    } catch (error) {
      if (signal.aborted) return
      log.warn({ err: error }, 'cannot renew the lease')
    }
  }
}

async function release(lock: LeaseLock, timeoutMs: number, log: Logger): Promise<void> {
  try {
    await lock.release(AbortSignal.timeout(timeoutMs))
  } catch (error) {
    log.warn({ err: error }, 'cannot release the lease: the next leader waits until it is over')
  }
}

/** Waits `ms` milliseconds, or until the signal fires. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(Math.max(0, ms), signal)
  } catch (error) {
    if (!isKubeError(error, 'Aborted', 'LeaseLost')) throw error
  }
}
