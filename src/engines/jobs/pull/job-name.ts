import { createHash } from 'node:crypto'
import { type LedgerEntry, type DesiredImage, entryKey } from '../../../api/node-images.ts'
import type { CompiledCache } from '../../../core/demand/index.ts'

const CACHE_PART = 40
const HASH_PART = 10

/**
 * Name of a Job: the cache's name, cut, and a hash of what makes the Job this one. Whoever comes to the same decision
 * comes to the same name, so that a crash or a second leader cannot make it twice.
 */
export function jobName(
  { cache, owner }: CompiledCache,
  nodeUid: string,
  method: string,
  images: readonly DesiredImage[],
  ledger: ReadonlyMap<string, LedgerEntry>,
): string {
  const parts = images.map(image => {
    const entry = ledger.get(entryKey(image))
    return [
      entryKey(image),
      image.pullPolicy,
      image.revision,
      entry?.attempt?.count ?? 0,
      entry?.presence?.since ?? '',
      entry?.attempt?.finishedAt ?? '',
    ]
  })
  const hash = createHash('sha256')
    .update(JSON.stringify([owner, nodeUid, method, parts]))
    .digest('hex')
  // A name may end in a dot or a dash only before the hash is added; "a..-b" would be refused.
  const cut = cache.metadata.name.slice(0, CACHE_PART).replace(/[^a-z0-9]+$/, '')
  return `${cut}-${hash.slice(0, HASH_PART)}`
}

/** The hash at the end of a Job's name. */
export function jobHash(name: string): string {
  return name.slice(-HASH_PART)
}
