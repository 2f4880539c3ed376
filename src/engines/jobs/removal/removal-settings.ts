/** Settings of removal Jobs. */
export interface RemovalSettings {
  /** Namespace of the Jobs: the controller's own. */
  readonly namespace: string
  /** Reference of the CRI client's image. */
  readonly criClientImage: string
  /** Names of the pull secrets of that image. */
  readonly helperPullSecrets: readonly string[]
  /** Path of the runtime's socket on all nodes. Empty: chosen by the runtime that the node reports. */
  readonly criSocketPath: string
  /** True where the Pods use the node's network. */
  readonly hostNetwork: boolean
  /** Deadline of one Job, in milliseconds. */
  readonly deadlineMs: number
  readonly priorityClassName?: string
}
