/**
 * Closed table of the reasons why an image stays on a node despite a removal. Shown in `status.kept[]`,
 * beside skip reasons.
 */
export const KEPT_REASONS = {
  InUse:
    'A container on the node, running or stopped, was made from the image or mounts it. It is tried again by itself: after 30 seconds, then at growing pauses up to an hour, for a week.',
  WantedByOthers: 'Another ImageCache wants the image on this node.',
  NotOurs:
    'The image was on the node before kube-fledged pulled it, has the same content as one that was, or is pinned by the runtime.',
} as const

/** Name of a kept reason. */
export type KeptReason = keyof typeof KEPT_REASONS
