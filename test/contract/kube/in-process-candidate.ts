import { onTestFinished } from 'vitest'
import {
  type KubeClient,
  type Leader,
  type LeaderElectionOptions,
  runWithLeaderElection,
} from '../../../src/kube/index.ts'

/** Times of a Lease whose expiry a test waits for. */
export const SHORT = { leaseDurationMs: 3000, renewDeadlineMs: 2000, retryPeriodMs: 300 }
/** So long that a test which waits for its expiry fails. */
export const LONG = { leaseDurationMs: 600_000, renewDeadlineMs: 20_000, retryPeriodMs: 300 }

/** A candidate in this process. */
export interface Candidate {
  /** Events of this candidate, in order. */
  readonly history: string[]
  readonly leading: () => boolean
  /** The leader at each retry, as reported to the candidate. */
  readonly leaders: readonly Leader[]
  /** Stops it and waits until it has ended. */
  readonly resign: () => Promise<void>
}

/** Runs a candidate. As the leader it works until it is stopped, then for `drainMs`. */
export function startCandidate(
  client: KubeClient,
  options: Pick<LeaderElectionOptions, 'namespace' | 'name' | 'identity' | 'scope'> & typeof SHORT,
  drainMs = 0,
): Candidate {
  const history: string[] = []
  const leaders: Leader[] = []
  const controller = new AbortController()
  let leading = false
  const run = runWithLeaderElection({
    ...options,
    client,
    signal: controller.signal,
    lead: async signal => {
      history.push('elected')
      leading = true
      await new Promise(resolve => signal.addEventListener('abort', resolve))
      history.push('stopping')
      await new Promise(resolve => setTimeout(resolve, drainMs))
      leading = false
      history.push('ended')
    },
    onWaiting: leader => leaders.push(leader),
    onLost: () => history.push('lost'),
  })
  const resign = () => {
    controller.abort()
    return run
  }
  onTestFinished(resign)
  return { history, leading: () => leading, leaders, resign }
}
