/** Settings of removal Jobs. */
export interface RemovalSettings {
  /** The controller's own namespace, where these Jobs are. */
  readonly namespace: string
  /** Reference of the image that speaks CRI. */
  readonly criClientImage: string
  /** Names of the Secrets that it is pulled with. */
  readonly helperPullSecrets: readonly string[]
  /** Path of the runtime's socket on all nodes. Empty: found by the runtime that the node reports. */
  readonly criSocketPath: string
  readonly hostNetwork: boolean
  /** For one Job, in milliseconds. */
  readonly deadlineMs: number
  readonly priorityClassName?: string
}
