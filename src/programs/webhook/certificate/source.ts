/**
 * Certificates of the webhook server: read from files that others write, or issued and renewed by the
 * replicas and shared in a Secret.
 */

/** A source of the server's certificate. */
export interface CertificateSource {
  /** Checks the certificate and renews it when it is due. Throws. */
  readonly reconcile: (signal: AbortSignal) => Promise<CheckResult>
  /** The authorities that clients must trust now, in PEM. Undefined when the bundle is not managed here. */
  readonly bundle: (signal: AbortSignal) => Promise<string | undefined>
}

/** Result of a check. */
export interface CheckResult {
  /** Milliseconds until the next check. */
  readonly requeueAfterMs: number
  /** True when the bundle may have changed. */
  readonly changed: boolean
}

/** A certificate and key of a server, in PEM. */
export interface ServingCertificate {
  readonly certificate: string
  readonly key: string
}

/** Puts a certificate into use. Throws when it is not usable. */
export type UseCertificate = (serving: ServingCertificate) => void
