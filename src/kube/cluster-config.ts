import type { CredentialSource } from './credentials.ts'

/** Address of an API server, how it is authenticated, and our credentials. */
export interface ClusterConfig {
  /** `https://host:port`, or with a path for a proxy in front of several clusters. */
  readonly server: string
  /** PEM bundle of the CAs of the server's certificate. Absent: the runtime's own root certificates. */
  readonly ca?: string
  readonly insecureSkipTlsVerify?: boolean
  /** Name to check in the server's certificate, instead of the host in `server`. */
  readonly tlsServerName?: string
  readonly credentials: CredentialSource
  /** Namespace of the context, or the namespace of this Pod. */
  readonly namespace?: string
}

/** The cluster's address or credentials cannot be determined. The message says what is missing and where. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}
