import type { PullVerdict } from '../../../core/ledger/index.ts'

/** What a Job and its Pod prove. */
export interface JobReading {
  /** True where the reading is final. The Job may be deleted once the ledger has it. */
  readonly done: boolean
  /** One verdict for each image of the Job, by image. */
  readonly verdicts: ReadonlyMap<string, PullVerdict>
  /**
   * True where the Pod has lost its image volumes without an error: the API server does not support them, or
   * a policy took them out.
   */
  readonly volumesDropped?: true
}

/** The same verdict for all images of a Job. */
export function all(images: readonly string[], verdict: PullVerdict): Map<string, PullVerdict> {
  return new Map(images.map(image => [image, verdict]))
}
