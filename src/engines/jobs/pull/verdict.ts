import type { FailureReasonName } from '../../../api/failure-reasons.ts'

/** What a Job proves about one of its images. */
export type Verdict =
  /** Nothing yet. */
  | { readonly kind: 'pulling' }
  /** The node holds it. */
  | { readonly kind: 'present'; readonly digest?: string }
  /** It could not be pulled. */
  | { readonly kind: 'failed'; readonly reason: FailureReasonName; readonly message: string }
  /** Nothing is known and nothing is wrong with it: to be proved again in a Job like this one. */
  | { readonly kind: 'unknown'; readonly message: string }
  /** It was in a batch that failed: to be proved again with a container of its own. */
  | { readonly kind: 'unproven' }

/** What a Job and its Pod say together. */
export interface JobReading {
  /** Nothing more will be learned: the Job may go once this is recorded. */
  readonly done: boolean
  /** By image, one for each image of the Job. */
  readonly verdicts: ReadonlyMap<string, Verdict>
  /** The API server dropped the image volumes silently: it does not know them. */
  readonly volumesDropped?: true
}

/** The same verdict for all images of a Job. */
export function all(images: readonly string[], verdict: Verdict): Map<string, Verdict> {
  return new Map(images.map(image => [image, verdict]))
}
