import type { ImageCacheStatus } from '../../api/image-cache.ts'

/** Failure reasons that one event names. */
const MAX_REASONS = 3

/**
 * The message of the event that ends an action: the sentence of `status.message`, then counts.
 * `All requested images … respective nodes (images 3/3, nodes 2/2)`, and for failures
 * `… (images 2/3, nodes 0/2, failures: ImageNotFound 2)`.
 */
export function eventMessage({
  message = '',
  summary,
  failures = {},
  moreFailures = 0,
  kept = [],
}: ImageCacheStatus): string {
  const byReason = new Map<string, number>()
  for (const { reason } of Object.values(failures).flat())
    byReason.set(reason, (byReason.get(reason) ?? 0) + 1)
  const reasons = [...byReason].toSorted(([, a], [, b]) => b - a)
  const named = reasons.slice(0, MAX_REASONS).map(([reason, count]) => `${reason} ${count}`)
  const others = reasons.slice(MAX_REASONS).reduce((sum, [, count]) => sum + count, moreFailures)
  const keptCount = kept.reduce((sum, { count }) => sum + count, 0)
  const parts = [
    summary && `images ${summary.images}, nodes ${summary.nodes}`,
    named.length > 0 && `failures: ${[...named, ...(others > 0 ? [`others ${others}`] : [])].join(', ')}`,
    keptCount > 0 && `kept on nodes: ${keptCount}`,
  ].filter(Boolean)
  return parts.length > 0 ? `${message} (${parts.join(', ')})` : message
}
