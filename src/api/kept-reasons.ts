/** Why an image that was to be removed stays on a node: a closed table. Shown in `status.kept[]`, beside the skip reasons. */
export const KEPT_REASONS = {
  InUse:
    'A container on the node, running or stopped, was made from the image or mounts it. Purge again once it is gone.',
  WantedByOthers: 'Another ImageCache wants the image on this node.',
  NotOurs:
    'The image was on the node before this operator pulled it, shares its content with one that was, or is pinned by the runtime.',
} as const

/** Name of such a reason. */
export type KeptReason = keyof typeof KEPT_REASONS
