import { entryKey } from '../../../api/node-images.ts'
import { parseDuration } from '../../../base/duration.ts'
import type { CompiledCache } from '../../../core/demand/index.ts'
import { attemptEndedAt } from '../../../core/ledger/index.ts'
import type { JobSettings } from './job-settings.ts'
import type { PullJob } from './pull-job.ts'
import type { PullPod } from './pull-pod.ts'
import type { ReadInput } from './read-job.ts'

/** Greatest delay until the list of the node shows that one more image of the batch has come. */
const LIST_LAG_MS = 60_000

/** The pull deadline of one image of a cache, in milliseconds. A value that is no duration falls back to the flag. */
export function pullDeadlineMs(cache: CompiledCache | undefined, settings: JobSettings): number {
  const own = cache?.cache.spec.pullDeadline
  if (!own) return settings.pullDeadlineMs
  try {
    return parseDuration(own) || settings.pullDeadlineMs
  } catch {
    // The CRD checks the spelling. An object that is older than that check keeps the deadline of the flag.
    return settings.pullDeadlineMs
  }
}

/**
 * When a Job is given up, in milliseconds since the epoch.
 * The deadline counts for one image, from the end of the one before. Where the list of the node shows which images have
 * come, that is known. Elsewhere each image of the batch adds its own deadline.
 */
export function deadlineMs(job: PullJob, pod: PullPod, input: ReadInput): number {
  const cache = [...input.caches.values()].find(candidate => candidate.key === job.cache)
  const one = pullDeadlineMs(cache, input.settings)
  // A kubelet whose clock is behind would have begun before the Job was made.
  const created = Date.parse(job.metadata.creationTimestamp ?? '')
  const begun = Math.max(created, Date.parse(pod.startedAt ?? '') || created)
  if (job.images.length === 1) return begun + one
  const keys = new Set(job.images.map(image => entryKey({ image, credential: job.credential })))
  const byStatus = job.method === 'containers'
  if (!byStatus && !isListed(keys, job, input)) return begun + one * job.images.length
  const ended = input.ledger
    .filter(entry => keys.has(entryKey(entry)))
    .map(entry =>
      Date.parse((entry.presence?.state === 'Present' ? entry.presence.since : attemptEndedAt(entry)) ?? ''),
    )
    .filter(time => time > begun)
  return Math.max(begun, ...ended) + one + (byStatus ? 0 : LIST_LAG_MS)
}

/**
 * True where the ledger follows the list of the node for all images of a Job. Image volumes need it: the kubelet pulls all
 * images of a Pod before it starts the first container, so no status tells how far it is.
 */
function isListed(keys: ReadonlySet<string>, job: PullJob, { desired, inventory }: ReadInput): boolean {
  return (
    inventory.isWhole &&
    job.credential === undefined &&
    desired.every(image => image.pullPolicy === 'IfNotPresent' || !keys.has(entryKey(image)))
  )
}
