import type { NodeImages } from '../../src/api/node-images.ts'
import type { CompiledCache } from '../../src/core/demand/index.ts'
import type { NodeFacts } from '../../src/core/node/index.ts'
import { type Aggregate, Tally, aggregate, turnOf } from '../../src/core/status/index.ts'

/** The status of a cache from a count of all nodes with their ledgers. */
export function aggregateAll(
  cache: CompiledCache,
  nodes: readonly NodeFacts[],
  ledgers: readonly NodeImages[],
  now: string,
  refreshFound = false,
): Aggregate {
  const byName = new Map(ledgers.map(ledger => [ledger.metadata.name, ledger]))
  const turn = turnOf(cache, now, refreshFound)
  const tally = new Tally(turn.cache, turn.startTime)
  for (const node of nodes) tally.add(node, byName.get(node.metadata.name))
  return aggregate(turn, tally.observation(), now)
}
