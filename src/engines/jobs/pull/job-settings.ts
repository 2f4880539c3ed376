/** How Jobs make the kubelet pull on a node. */
export type PullMethod = 'image-volumes' | 'containers'

/** Settings of pull Jobs. Times in milliseconds. */
export interface JobSettings {
  /** The operator's own image: one static busybox. */
  readonly helperImage: string
  /**
   * Names of the Secrets that the helper image is pulled with, in the namespace of each Job. They are not part of the
   * credential of any image.
   */
  readonly helperPullSecrets: readonly string[]
  /** For one image, from the end of the one before. */
  readonly pullDeadlineMs: number
  readonly retainJobs: boolean
  readonly serviceAccountName?: string
  readonly priorityClassName?: string
}
