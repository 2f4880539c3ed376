import type { LedgerEntry } from '../../api/node-images.ts'

/**
 * How a node may use a registry.
 * - `untested`: no pull from it has ended yet. One image at a time.
 * - `closed`: it answers.
 * - `open`: it does not answer. One image alone, last, on one node at a time.
 * - `limited`: it says that it is asked too often. Later.
 */
export type RegistryCircuit = 'untested' | 'closed' | 'open' | 'limited'

/** What one node sees of the circuit breaker: the registries and the namespaces that its pulls depend on. */
export interface Circuits {
  registry(host: string): RegistryCircuit
  /** When the registry last answered, RFC 3339. */
  registryAnsweredAt(host: string): string | undefined
  /** False while the registry is open for all nodes and the Job of another node is trying it. */
  mayProbeRegistry(host: string): boolean
  /** Why no pull Job can be made in a namespace now, in the words of the API server. */
  namespaceRefusal(namespace: string): string | undefined
  /** When Jobs could be made again in a namespace that had refused them, or may be tried, RFC 3339. */
  namespaceOpenedAt(namespace: string): string | undefined
  /** When a namespace that refuses Jobs is tried again, in milliseconds since the epoch. */
  namespaceRetryAt(namespace: string): number | undefined
}

/** Words of a pull that got no answer at all from its registry. An error status is an answer. */
const NO_ANSWER =
  /dial tcp|i\/o timeout|no such host|deadline ?exceeded|timeout awaiting|connection (refused|reset)|no route to host|unreachable|TLS handshake|did not answer/i

/** True where the last pull failed because its registry gave no answer at all. */
export function isSilence({ attempt }: LedgerEntry): boolean {
  return attempt?.reason === 'RegistryUnavailable' && NO_ANSWER.test(attempt.message ?? '')
}
