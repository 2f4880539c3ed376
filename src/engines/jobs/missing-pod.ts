import type { KubeObject } from '../../api/object.ts'

/** Time that the job controller has to create a Pod. Then its events are searched for the cause. */
const GRACE_MS = 3_000
/** Greatest age of a Job without a Pod and without an explanation. Then the Job is given up. */
const LIMIT_MS = 600_000

/** What a Job without a Pod means. */
export type MissingPod =
  /** The Pod is not created yet. `unexplained` is true where the events have to be searched. */
  | { readonly kind: 'waiting'; readonly unexplained: boolean; readonly lookAgainMs: number }
  /** The Pod was deleted before it was read. */
  | { readonly kind: 'gone' }
  /** The job controller has said nothing for a long time. */
  | { readonly kind: 'silent'; readonly message: string }
  /** No Pod can be created. The message is the API server's. */
  | { readonly kind: 'refused'; readonly message: string }

/**
 * Says why a Job has no Pod. Works for pull Jobs and for removal Jobs.
 *
 * @param refusals the API server's message why a Job has no Pod, by Job UID
 * @param now milliseconds since the epoch
 */
export function readMissingPod(
  job: KubeObject & { readonly finished: boolean },
  refusals: ReadonlyMap<string, string>,
  now: number,
): MissingPod {
  const { uid = '', creationTimestamp = '', deletionTimestamp } = job.metadata
  if (job.finished || deletionTimestamp) return { kind: 'gone' }
  const message = refusals.get(uid)
  const age = now - Date.parse(creationTimestamp)
  if (message) return { kind: 'refused', message }
  if (!(age <= LIMIT_MS)) {
    const minutes = LIMIT_MS / 60_000
    return {
      kind: 'silent',
      message: `kube-controller-manager made no Pod for the Job in ${minutes} minutes`,
    }
  }
  const isEarly = age < GRACE_MS
  return { kind: 'waiting', unexplained: !isEarly, lookAgainMs: isEarly ? GRACE_MS - age : GRACE_MS }
}
