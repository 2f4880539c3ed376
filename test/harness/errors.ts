/** Kinds of errors of the harness itself, not of the product under test. */
export type HarnessErrorCode =
  /** A child process exited with a status other than 0. The message has its standard error. */
  | 'CommandFailed'
  /** There is no description of a cluster, or it is incomplete. */
  | 'ClusterNotConfigured'
  /** `E2E_KUBECONFIG` has a current context that `E2E_ALLOW_CONTEXT` does not name. */
  | 'ContextNotAllowed'
  /** The function needs the cluster of `hack/cluster`, and this is another cluster. */
  | 'NotAvailable'
  /** A registry answered with a status that the distribution specification does not allow. */
  | 'RegistryRefused'
  /** A condition did not become true in time. The message has the last observation. */
  | 'DeadlineExceeded'

/** An error of the harness. */
export class HarnessError extends Error {
  override readonly name = 'HarnessError'
  /** Kind of the error. */
  readonly code: HarnessErrorCode

  constructor(code: HarnessErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
