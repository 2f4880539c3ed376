/** How Jobs make the kubelet pull on a node. */
export type PullMethod = 'image-volumes' | 'containers'

/** Settings of pull Jobs. Times in milliseconds. */
export interface JobSettings {
  /** The operator's own image: one static busybox. */
  readonly helperImage: string
  /**
   * Names of the pull secrets of the helper image, in the namespace of each Job.
   * They are not part of the credential of an image.
   */
  readonly helperPullSecrets: readonly string[]
  /** Deadline for one image, from the end of the previous pull. */
  readonly pullDeadlineMs: number
  /** True where finished Jobs are retained for debugging. */
  readonly retainJobs: boolean
  readonly serviceAccountName?: string
  readonly priorityClassName?: string
}
