import type { LedgerEntry } from '../api/node-images.ts'

/** What came of asking a registry about an image: the digest behind its tag, or none where only the nodes can ask. */
export interface Refresh {
  /** When it was asked, RFC 3339. */
  readonly at: string
  readonly digest?: string
}

/**
 * Whether a node has to pull again. A node whose last pull was asked for with the digest that the registry still gives
 * has nothing to do, and so has one that lists that digest itself. Where the registry could not be asked, the node is.
 */
export function needsPull(refresh: Refresh, entry: LedgerEntry | undefined): boolean {
  if (refresh.digest === undefined) return true
  if (entry?.state !== 'Present') return true
  return (entry.registryDigest ?? entry.digest) !== refresh.digest
}
