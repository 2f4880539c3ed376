import type { CredentialSource } from './credentials.ts'

/** Where an API server is, how it proves itself and how we do. */
export interface ClusterConfig {
  /** `https://host:port`, possibly with a path (a proxy in front of several clusters). */
  readonly server: string
  /** PEM bundle that the server's certificate must chain to; the runtime's own roots when absent. */
  readonly ca?: string
  readonly insecureSkipTlsVerify?: boolean
  /** Name to check in the server's certificate instead of the host of `server`. */
  readonly tlsServerName?: string
  readonly credentials: CredentialSource
  /** The namespace of the context, or the one that this Pod runs in. */
  readonly namespace?: string
}

/** The cluster's address or credentials cannot be made out. The message says what is missing where. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}
