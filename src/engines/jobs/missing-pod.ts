import type { KubeObject } from '../../api/object.ts'

/** Time that the job controller has to make a Pod, before its events are asked why there is none. */
const GRACE_MS = 3_000
/** A Job without a Pod and without an explanation is given up after this. */
const LIMIT_MS = 30_000

/** What a Job without a Pod means. */
export type MissingPod =
  /** The Pod is not made yet. `unexplained`: its events are to be asked. */
  | { readonly kind: 'waiting'; readonly unexplained: boolean; readonly lookAgainMs: number }
  /** The Pod was there and was not read. */
  | { readonly kind: 'gone' }
  /** No Pod can be made, in the words of the API server. */
  | { readonly kind: 'refused'; readonly message: string }

/**
 * Reads a Job of any kind that has no Pod.
 *
 * @param refusals why a Job has no Pod, by Job UID
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
  if (message || !(age <= LIMIT_MS)) {
    return { kind: 'refused', message: message || 'the job controller made no Pod' }
  }
  const isEarly = age < GRACE_MS
  return { kind: 'waiting', unexplained: !isEarly, lookAgainMs: isEarly ? GRACE_MS - age : GRACE_MS }
}
