import { type KubeError, isKubeError } from '../../kube/index.ts'

/**
 * True where the API server refused to create the Job.
 * Status 500 counts: the API server returns it where a mandatory admission webhook does not answer.
 * That may last long, and must delay neither the ledger nor the images of other namespaces.
 */
export function isRefusal(error: unknown): error is KubeError {
  return isKubeError(error) && (error.status === 500 || !(error.retryable || error.code === 'Aborted'))
}
