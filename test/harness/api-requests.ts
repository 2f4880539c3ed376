/** Counts requests that an API server has answered since it started. */
export interface ApiRequests {
  readonly total: number
  /** Requests by `VERB resource` (`POST pods`, `PATCH imagecaches/status`). */
  readonly byKind: ReadonlyMap<string, number>
}

/** Sums `apiserver_request_total` of a metrics page in Prometheus text format. */
export function parseApiRequests(page: string): ApiRequests {
  const byKind = new Map<string, number>()
  let total = 0
  for (const line of page.split('\n')) {
    const match = /^apiserver_request_total\{(.*)\} (\S+)$/.exec(line)
    if (!match) continue
    const labels = new Map([...(match[1] ?? '').matchAll(/(\w+)="([^"]*)"/g)].map(pair => [pair[1], pair[2]]))
    const count = Number(match[2])
    const subresource = labels.get('subresource')
    const resource = labels.get('resource') || 'other'
    const kind = `${labels.get('verb')} ${resource}${subresource ? `/${subresource}` : ''}`
    byKind.set(kind, (byKind.get(kind) ?? 0) + count)
    total += count
  }
  return { total, byKind }
}

/** Requests between two counts, without kinds that have none. */
export function requestsBetween(before: ApiRequests, after: ApiRequests): ApiRequests {
  const byKind = new Map<string, number>()
  for (const [kind, count] of after.byKind) {
    const more = count - (before.byKind.get(kind) ?? 0)
    if (more > 0) byKind.set(kind, more)
  }
  return { total: after.total - before.total, byKind }
}
