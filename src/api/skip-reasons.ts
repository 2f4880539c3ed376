/**
 * Closed table of the reasons why a node gets no work although a cache's selector matches it. Shown in
 * `status.skipped[]`.
 */
export const SKIP_REASONS = {
  NotReady: 'The node is not Ready. It gets its images when it is Ready.',
  Cordoned: 'The node is unschedulable (cordoned). It gets its images when it is uncordoned.',
  Deleting: 'The node is being deleted.',
  BeingRemoved:
    'A taint says that the node is being taken away, such as `karpenter.sh/disrupted` or `ToBeDeletedByClusterAutoscaler`.',
  NotOpenYet:
    'A start-up taint says that the node is not open yet, such as `node.cilium.io/agent-not-ready`. It gets its images when the taint goes.',
  DiskPressure: 'The disk of the node is full. It gets its images when the kubelet has freed space.',
  Virtual: 'The node is virtual (virtual-kubelet or similar) and has no image store.',
  UnsupportedOS: 'The node does not run Linux.',
  NamespaceNodeSelector:
    "The cache's namespace allows its Pods on other nodes only (annotation `scheduler.alpha.kubernetes.io/node-selector`).",
  TaintNotTolerated: "The node has a taint that the list's tolerations do not tolerate.",
} as const

/** Name of a skip reason. */
export type SkipReason = keyof typeof SKIP_REASONS
