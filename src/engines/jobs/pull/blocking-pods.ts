import type { PullJob } from './pull-job.ts'
import type { PullPod } from './pull-pod.ts'

/** `state.waiting.reason` of a container while the kubelet pulls its images. */
const MID_PULL = new Set(['ContainerCreating', 'PodInitializing'])
/** Greatest time that a deleted Pod blocks a node. Kubelets that pull in parallel are not blocked at all. */
const MAX_BLOCK_MS = 300_000

/**
 * True where a deleted Pod blocks the pulls of its node.
 * The kubelet finishes the running pull before it removes the Pod, and other pulls wait for it.
 * The deadline of a new Job would run out meanwhile.
 *
 * @param now milliseconds since the epoch
 */
export function blocksPulls(pod: PullPod, now: number): boolean {
  const deleted = Date.parse(pod.metadata.deletionTimestamp ?? '')
  if (Number.isNaN(deleted) || now - deleted > MAX_BLOCK_MS || !pod.startedAt) return false
  return pod.containers.every(({ state }) => state.phase === 'none' || MID_PULL.has(state.reason))
}

/**
 * Images that our Jobs pull or mount now.
 * The removal of such an image would find it in use, or the running pull would bring it back.
 * A deleted Pod counts until the kubelet has removed it, for at most `MAX_BLOCK_MS`.
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
