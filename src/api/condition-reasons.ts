/** Why a condition of an ImageCache is what it is: a closed table. `Degraded` has failure reasons besides. */
export const CONDITION_REASONS = {
  Ready: {
    AllImagesPresent: 'Every node that can take work holds all images of its lists.',
    ImagesMissing: 'Some node lacks an image.',
    NoNodes: 'No node matches, or none that does can take work now (`status.skipped`).',
    NoImages: 'The lists are empty.',
    Suspended: '`spec.suspend` is true.',
    Purged: 'The cache was purged: an edit of its spec or a refresh annotation brings the images back.',
  },
  Progressing: {
    Pulling: 'Nodes are pulling, or will.',
    Removing: 'Images are being removed from nodes, or will be.',
    Settled: 'There is nothing to do.',
  },
  Degraded: {
    NoFailures: 'Nothing is wrong.',
    InvalidSchedule:
      '`spec.refresh.schedule` or `timeZone` cannot be read. The cache is refreshed by `spec.refresh.interval` or `--image-cache-refresh-frequency` instead; correct it.',
  },
} as const satisfies Record<string, Readonly<Record<string, string>>>

/** Type of a condition of an ImageCache. */
export type ConditionType = keyof typeof CONDITION_REASONS

/** A reason that a condition of this type may have. */
export type ConditionReason<T extends ConditionType> = keyof (typeof CONDITION_REASONS)[T]
