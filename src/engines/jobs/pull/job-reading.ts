import type { PullVerdict } from '../../../core/ledger/index.ts'

/** What a Job and its Pod say together. */
export interface JobReading {
  /** Nothing more will be learned. The Job may go once this is recorded. */
  readonly done: boolean
  /** By image, one for each image of the Job. */
  readonly verdicts: ReadonlyMap<string, PullVerdict>
  /** The API server dropped the image volumes without an error: it does not know them. */
  readonly volumesDropped?: true
}

/** The same verdict for all images of a Job. */
export function all(images: readonly string[], verdict: PullVerdict): Map<string, PullVerdict> {
  return new Map(images.map(image => [image, verdict]))
}
