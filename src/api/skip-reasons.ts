/**
 * Closed table of the reasons why a node gets no work although a cache's selector matches it. Shown in
 * `status.skipped[]`.
 */
export const SKIP_REASONS = {
  NotReady: 'The node is not Ready. It gets its images when it is Ready.',
  Cordoned: 'The node is unschedulable (cordoned). It gets its images when it is uncordoned.',
  Deleting: 'The node is being deleted.',
  Virtual: 'The node is virtual (virtual-kubelet or similar) and has no image store.',
  UnsupportedOS: 'The node does not run Linux.',
  NamespaceNodeSelector:
    "The cache's namespace allows its Pods on other nodes only (annotation `scheduler.alpha.kubernetes.io/node-selector`).",
  TaintNotTolerated: "The node has a taint that the list's tolerations do not tolerate.",
} as const

/** Name of a skip reason. */
export type SkipReason = keyof typeof SKIP_REASONS
