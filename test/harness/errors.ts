/** What went wrong in the harness itself, as opposed to in the product under test. */
export type HarnessErrorCode =
  /** A child process ended with a status other than 0; the message holds its standard error. */
  | 'CommandFailed'
  /** No cluster is described, or its description lacks something. */
  | 'ClusterNotConfigured'
  /** `E2E_KUBECONFIG` points at a context that `E2E_ALLOW_CONTEXT` does not name. */
  | 'ContextNotAllowed'
  /** What was asked for needs the cluster of `hack/cluster`, and this is another one. */
  | 'NotAvailable'
  /** A registry answered with a status that the distribution specification does not allow here. */
  | 'RegistryRefused'
  /** Something expected did not come true in time; the message holds what was seen last. */
  | 'DeadlineExceeded'

/** An error of the harness. */
export class HarnessError extends Error {
  override readonly name = 'HarnessError'
  /** Closed set of causes. */
  readonly code: HarnessErrorCode

  constructor(code: HarnessErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
