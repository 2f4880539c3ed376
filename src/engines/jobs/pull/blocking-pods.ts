import type { PullJob } from './pull-job.ts'
import type { PullPod } from './pull-pod.ts'

/** `state.waiting.reason` of a container whose images are being pulled. */
const MID_PULL = new Set(['ContainerCreating', 'PodInitializing'])
/** How long a deleted Pod may hold up a node; kubelets that pull in parallel let nothing wait at all. */
const MAX_BLOCK_MS = 300_000

/**
 * Whether a deleted Pod holds up the pulls of its node: the kubelet finishes the pull that it is at before it lets the
 * Pod go, and others wait behind it. A Job that is started now would only use up its deadline.
 *
 * @param now milliseconds since the epoch
 */
export function blocksPulls(pod: PullPod, now: number): boolean {
  const deleted = Date.parse(pod.metadata.deletionTimestamp ?? '')
  if (Number.isNaN(deleted) || now - deleted > MAX_BLOCK_MS || !pod.startedAt) return false
  return pod.containers.every(({ state }) => state.phase === 'none' || MID_PULL.has(state.reason))
}

/**
 * Images that Jobs of ours pull or mount now: who removes one of these finds it in use, or sees it come back. A deleted Pod
 * counts until its kubelet has let it go, though not longer than it may hold up the node.
 *
 * @param now milliseconds since the epoch
 */
export function imagesInPullJobs(
  jobs: readonly PullJob[],
  pods: readonly PullPod[],
  now: number,
): Set<string> {
  const current = pods.filter(({ metadata }) => {
    const deleted = Date.parse(metadata.deletionTimestamp ?? '')
    return !(now - deleted > MAX_BLOCK_MS)
  })
  return new Set([
    ...jobs.filter(job => !job.metadata.deletionTimestamp).flatMap(job => job.images),
    ...current.flatMap(pod => [
      ...Object.values(pod.imageVolumes),
      ...pod.containers.map(({ image }) => image),
    ]),
  ])
}
