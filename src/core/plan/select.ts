import type { SkipReason } from '../../api/skip-reasons.ts'
import type { CompiledList } from '../demand/index.ts'
import { type NodeFacts, matchesAffinity, matchesLabels, skipReason } from '../node/index.ts'

/** What one list of a cache means for one node. */
export type Selection =
  | { readonly kind: 'unselected' }
  | { readonly kind: 'skipped'; readonly reason: SkipReason }
  | { readonly kind: 'desired' }

const UNSELECTED: Selection = { kind: 'unselected' }
const DESIRED: Selection = { kind: 'desired' }

/** Whether a node is to hold the images of a list, and why not where a selected node gets no work. */
export function select(node: NodeFacts, { list, namespaceNodeSelector }: CompiledList): Selection {
  if (!matchesLabels(node, list.nodeSelector) || !matchesAffinity(node, list.nodeAffinity)) return UNSELECTED
  const isAllowed = matchesLabels(node, namespaceNodeSelector)
  const reason = isAllowed ? skipReason(node, list) : 'NamespaceNodeSelector'
  return reason ? { kind: 'skipped', reason } : DESIRED
}
