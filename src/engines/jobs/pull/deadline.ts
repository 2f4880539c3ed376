import { entryKey } from '../../../api/node-images.ts'
import { type CompiledCache, effectiveDeadlineMs, longestJobMs } from '../../../core/demand/index.ts'
import { attemptEndedAt } from '../../../core/ledger/index.ts'
import type { JobSettings } from './job-settings.ts'
import type { PullJob } from './pull-job.ts'
import type { PullPod } from './pull-pod.ts'
import type { ReadInput } from './read-input.ts'

/** Greatest delay until the image list of the node shows another pulled image of the batch. */
const LIST_LAG_MS = 60_000

/** The pull deadline of one image of a cache, in milliseconds. */
export function pullDeadlineMs(cache: CompiledCache | undefined, settings: JobSettings): number {
  return effectiveDeadlineMs(cache?.cache.spec.pullDeadline, settings.pullDeadlineMs)
}

/**
 * Greatest time of a Job, in milliseconds: the deadlines of its images together, at most as long as a Job may
 * hold its node.
 */
export function jobDeadlineMs(
  oneMs: number,
  images: number,
  { pullDeadlineMs: flagMs }: JobSettings,
): number {
  return Math.min(oneMs * images, longestJobMs(flagMs))
}

/**
 * When a Job times out, in milliseconds since the epoch.
 * The deadline is for one image, and starts at the end of the previous pull.
 * Where the node shows which images are pulled, that end is known.
 * Elsewhere the deadlines of all images of the batch are added up.
 */
export function deadlineMs(job: PullJob, pod: PullPod, input: ReadInput): number {
  const cache = [...input.caches.values()].find(candidate => candidate.key === job.cache)
  const one = pullDeadlineMs(cache, input.settings)
  // The clock of the kubelet may be wrong. These times are of the API server.
  const created = Date.parse(job.metadata.creationTimestamp ?? '')
  const begun = Date.parse(pod.metadata.creationTimestamp ?? '') || created
  if (job.images.length === 1) return begun + one
  const keys = new Set(job.images.map(image => entryKey({ image, credential: job.credential })))
  const byStatus = job.method === 'containers'
  if (!byStatus && !isListed(keys, job, input)) {
    return begun + jobDeadlineMs(one, job.images.length, input.settings)
  }
  const ended = input.ledger
    .filter(entry => keys.has(entryKey(entry)))
    .map(entry =>
      Date.parse((entry.presence?.state === 'Present' ? entry.presence.since : attemptEndedAt(entry)) ?? ''),
    )
    .filter(time => time > begun)
  const lag = byStatus ? 0 : LIST_LAG_MS
  const last = begun + longestJobMs(input.settings.pullDeadlineMs)
  return Math.min(Math.max(begun, ...ended) + one, last) + lag
}

/**
 * True where the ledger follows the image list of the node for all images of a Job.
 * With image volumes, only that list shows progress: the kubelet pulls all images of a Pod
 * before it starts the first container, so container statuses do not change.
 */
function isListed(keys: ReadonlySet<string>, job: PullJob, { desired, inventory }: ReadInput): boolean {
  return (
    inventory.isWhole &&
    job.credential === undefined &&
    desired.every(image => image.pullPolicy === 'IfNotPresent' || !keys.has(entryKey(image)))
  )
}
