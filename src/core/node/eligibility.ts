import type { CacheList } from '../../api/image-cache.ts'
import type { SkipReason } from '../../api/skip-reasons.ts'
import type { NodeFacts } from './node-facts.ts'
import { tolerates } from './selector.ts'

/** One rule of the chain: why the node gets no work, or undefined. */
type Rule = (node: NodeFacts, list: CacheList) => SkipReason | undefined

/** Taints that repeat conditions of the node. The conditions change first. */
const CONDITION_TAINTS = new Set([
  'node.kubernetes.io/not-ready',
  'node.kubernetes.io/unreachable',
  'node.kubernetes.io/unschedulable',
])

/** Values of the labels `type` and `kubernetes.io/role` of nodes without an image store. */
const VIRTUAL_TYPES = new Set(['virtual-kubelet', 'kwok'])

const deleting: Rule = node => (node.metadata.deletionTimestamp ? 'Deleting' : undefined)

// virtual-kubelet, Fargate and similar nodes have no kubelet and no image store. A label or the version
// shows it.
const virtual: Rule = node => {
  const labels = node.metadata.labels ?? {}
  const isVirtual =
    VIRTUAL_TYPES.has(labels['type'] ?? '') ||
    VIRTUAL_TYPES.has(labels['kubernetes.io/role'] ?? '') ||
    labels['eks.amazonaws.com/compute-type'] === 'fargate' ||
    /virtual-kubelet|-vk-/.test(node.kubeletVersion)
  return isVirtual ? 'Virtual' : undefined
}

const otherSystem: Rule = node => (node.os === 'linux' ? undefined : 'UnsupportedOS')

const notReady: Rule = node => (node.ready ? undefined : 'NotReady')

const cordoned: Rule = node => (node.unschedulable ? 'Cordoned' : undefined)

const tainted: Rule = (node, list) => {
  const tolerations = list.tolerations
  if (tolerations === undefined) return undefined
  const refused = node.taints.some(
    taint =>
      (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') &&
      !CONDITION_TAINTS.has(taint.key) &&
      !tolerates(tolerations, taint),
  )
  return refused ? 'TaintNotTolerated' : undefined
}

/** The chain. Lasting reasons come first: a cordoned virtual node is reported as virtual. */
const CHAIN: readonly Rule[] = [deleting, virtual, otherSystem, tainted, cordoned, notReady]

/** Why a node that a list selects gets no work now. Undefined where it gets work. */
export function skipReason(node: NodeFacts, list: CacheList): SkipReason | undefined {
  for (const rule of CHAIN) {
    const reason = rule(node, list)
    if (reason) return reason
  }
  return undefined
}
