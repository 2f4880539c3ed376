import { type KubeError, isKubeError } from '../../kube/index.ts'

/**
 * The API server answered that it does not make the Job. It says 500 where an admission webhook that must be asked does
 * not answer: that may last, and shall hold up neither the ledger nor the images of other namespaces.
 */
export function isRefusal(error: unknown): error is KubeError {
  return isKubeError(error) && (error.status === 500 || !(error.retryable || error.code === 'Aborted'))
}
