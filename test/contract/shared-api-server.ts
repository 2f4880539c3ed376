import { inject } from 'vitest'

/** An API server for the contract suites. */
export interface SharedApiServer {
  readonly url: string
  readonly kubeconfig: string
  /** Folder of its certificates and keys. */
  readonly pki: string
}

declare module 'vitest' {
  interface ProvidedContext {
    /** One for every vitest worker. */
    readonly apiServers: readonly SharedApiServer[]
  }
}

/**
 * The API server that test files share, one after the other: no file that runs at the same time uses it.
 * Tests that kill or configure one start their own.
 */
export function sharedApiServer(): SharedApiServer {
  const worker = Number(process.env['VITEST_POOL_ID'])
  const server = inject('apiServers')[worker - 1]
  if (!server) throw new Error(`vitest worker ${worker} has no API server; do not set --maxWorkers`)
  return server
}
