import { setTimeout as delay } from 'node:timers/promises'
import { type ApiRequests, requestsBetween } from '../harness/api-requests.ts'
import type { Cluster } from '../harness/cluster.ts'

/** Requests by kind for each second of an idle cluster. */
export type IdleRate = ReadonlyMap<string, number>

/** What the API server is asked while nobody does anything, looking at it included. */
export async function measureIdle(cluster: Cluster, seconds: number): Promise<IdleRate> {
  const before = await cluster.apiRequestTotal()
  const began = performance.now()
  await delay(seconds * 1000)
  const { byKind } = requestsBetween(before, await cluster.apiRequestTotal())
  const elapsed = (performance.now() - began) / 1000
  return new Map([...byKind].map(([kind, count]) => [kind, count / elapsed]))
}

/** Requests beyond what an idle cluster would have made in that time; kinds below one are left out. */
export function beyondIdle(requests: ApiRequests, idle: IdleRate, seconds: number): ApiRequests {
  const byKind = new Map<string, number>()
  for (const [kind, count] of requests.byKind) {
    const more = count - (idle.get(kind) ?? 0) * seconds
    if (more >= 0.5) byKind.set(kind, more)
  }
  return { total: [...byKind.values()].reduce((sum, count) => sum + count, 0), byKind }
}
