import { onTestFinished } from 'vitest'
import {
  type KubeClient,
  type Leader,
  type LeaderElectionOptions,
  runWithLeaderElection,
} from '../../../src/kube/index.ts'

/** Of a Lease that tests wait for. */
export const SHORT = { leaseDurationMs: 3000, renewDeadlineMs: 2000, retryPeriodMs: 300 }
/** So long that a test which waited for its end would fail. */
export const LONG = { leaseDurationMs: 600_000, renewDeadlineMs: 20_000, retryPeriodMs: 300 }

/** Who stands for election. */
export interface Candidate {
  /** What happened to it, in order. */
  readonly history: string[]
  readonly leading: () => boolean
  /** Who it was told of as the leader, at each try. */
  readonly leaders: readonly Leader[]
  /** Ends it and waits until it has ended. */
  readonly resign: () => Promise<void>
}

/** Stands for election; as the leader it works until told to end, then for `drainMs`. */
export function stand(
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
      history.push('told to end')
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
