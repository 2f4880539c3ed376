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

/** Taints of autoscalers and cloud providers on a node that they are taking away. */
const REMOVAL_TAINTS = new Set([
  'karpenter.sh/disrupted',
  'karpenter.sh/disruption',
  'ToBeDeletedByClusterAutoscaler',
  'node.kubernetes.io/out-of-service',
  'node.cloudprovider.kubernetes.io/shutdown',
])

/** Taints on a node until its network, its storage or its cloud provider is ready. */
const STARTUP_TAINTS = new Set([
  'node.cloudprovider.kubernetes.io/uninitialized',
  'node.kubernetes.io/network-unavailable',
  'karpenter.sh/unregistered',
])
/**
 * `node.cilium.io/agent-not-ready`, `ebs.csi.aws.com/agent-not-ready`; those that the cluster-autoscaler
 * knows.
 */
const STARTUP_TAINT =
  /\/agent-not-ready$|^(startup|ignore|status)-taint\.cluster-autoscaler\.kubernetes\.io\//

const DISK_TAINT = 'node.kubernetes.io/disk-pressure'

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

/** A taint that keeps new Pods off the node. `PreferNoSchedule` only advises. */
function hasTaint(node: NodeFacts, isMeant: (key: string) => boolean): boolean {
  return node.taints.some(({ key, effect }) => effect !== 'PreferNoSchedule' && isMeant(key))
}

const beingRemoved: Rule = node =>
  hasTaint(node, key => REMOVAL_TAINTS.has(key)) ? 'BeingRemoved' : undefined

const notOpenYet: Rule = node =>
  hasTaint(node, key => STARTUP_TAINTS.has(key) || STARTUP_TAINT.test(key)) ? 'NotOpenYet' : undefined

const diskPressure: Rule = node => (hasTaint(node, key => key === DISK_TAINT) ? 'DiskPressure' : undefined)

/** The chain. Lasting reasons come first: a cordoned virtual node is reported as virtual. */
const CHAIN: readonly Rule[] = [
  deleting,
  virtual,
  otherSystem,
  tainted,
  beingRemoved,
  cordoned,
  notReady,
  notOpenYet,
  diskPressure,
]

/** Why a node that a list selects gets no work now. Undefined where it gets work. */
export function skipReason(node: NodeFacts, list: CacheList): SkipReason | undefined {
  for (const rule of CHAIN) {
    const reason = rule(node, list)
    if (reason) return reason
  }
  return undefined
}
