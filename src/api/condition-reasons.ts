/** Closed table of the reasons of an ImageCache's conditions. `Degraded` can also have a failure reason. */
export const CONDITION_REASONS = {
  Ready: {
    AllImagesPresent: 'Every node that can take work has all images of its lists.',
    ImagesMissing: 'At least one node lacks an image.',
    NoNodes: 'No node matches, or no matching node can take work now (`status.skipped`).',
    NoImages: 'The lists are empty.',
    Suspended: '`spec.suspend` is true.',
    Purged: 'The cache was purged. An edit of its spec or a refresh annotation brings the images back.',
  },
  Progressing: {
    Pulling: 'Nodes pull images, or are about to.',
    Removing: 'Images are removed from nodes, or are about to be.',
    Settled: 'There is nothing to do.',
  },
  Degraded: {
    NoFailures: 'Nothing is wrong.',
    InvalidSchedule:
      '`spec.refresh.schedule` or `spec.refresh.timeZone` is invalid. Correct it. Until then `spec.refresh.interval` or `--image-cache-refresh-frequency` applies.',
  },
} as const satisfies Record<string, Readonly<Record<string, string>>>

/** Type of a condition of an ImageCache. */
export type ConditionType = keyof typeof CONDITION_REASONS

/** Reason of a condition of this type. */
export type ConditionReason<T extends ConditionType> = keyof (typeof CONDITION_REASONS)[T]
