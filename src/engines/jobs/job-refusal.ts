import { type KubeError, isKubeError } from '../../kube/index.ts'

/**
 * True where the API server refused to create the Job.
 * Status 500 counts: the API server returns it where a mandatory admission webhook does not answer.
 * That may last long, and must delay neither the ledger nor the images of other namespaces.
 */
export function isRefusal(error: unknown): error is KubeError {
  if (isConflict(error)) return false
  return isKubeError(error) && (error.status === 500 || !(error.retryable || error.code === 'Aborted'))
}

/**
 * True where another request changed a quota of the namespace at the same moment.
 * The same request may succeed a moment later.
 */
export function isConflict(error: unknown): boolean {
  return isKubeError(error, 'Conflict')
}

/** Delay before a Job is made again after a conflict. */
export const CONFLICT_LOOK_MS = 1_000
