import { createHash } from 'node:crypto'
import { type LedgerEntry, type DesiredImage, entryKey } from '../../../api/node-images.ts'
import type { CompiledCache } from '../../../core/demand/index.ts'

const CACHE_PART = 40
const HASH_PART = 10

/**
 * Name of a Job: the shortened cache name, and a hash of the decision to create the Job.
 * The same decision always gives the same name. A crash or a second leader cannot create a Job twice.
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
  // The cut may leave a dot or a dash at the end. "a..-b" is not a valid name.
  const cut = cache.metadata.name.slice(0, CACHE_PART).replace(/[^a-z0-9]+$/, '')
  return `${cut}-${hash.slice(0, HASH_PART)}`
}

/** The hash at the end of a Job's name. */
export function jobHash(name: string): string {
  return name.slice(-HASH_PART)
}
