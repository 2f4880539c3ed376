/** Where the server's certificate comes from. */
export interface CertificateSource {
  /** Looks what is there and does what has to be done. Throws. */
  readonly reconcile: (signal: AbortSignal) => Promise<Look>
  /** What clients shall trust as of now, asked anew: PEM. Undefined where that is others' business. */
  readonly bundle: (signal: AbortSignal) => Promise<string | undefined>
}

/** What came of a look. */
export interface Look {
  /** When it wants to be asked again. */
  readonly requeueAfterMs: number
  /** True where what clients shall trust may be something else now. */
  readonly changed: boolean
}

/** A certificate that a server can show. PEM. */
export interface ServingCertificate {
  readonly certificate: string
  readonly key: string
}

/** Takes a certificate into use. Throws where it cannot be used. */
export type UseCertificate = (serving: ServingCertificate) => void
