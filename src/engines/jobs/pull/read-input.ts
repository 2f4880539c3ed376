import type { DesiredImage, LedgerEntry } from '../../../api/node-images.ts'
import type { CompiledCache } from '../../../core/demand/index.ts'
import type { Inventory } from '../../../core/node/index.ts'
import type { JobSettings } from './job-settings.ts'
import type { PullPod } from './pull-pod.ts'

/** Facts about the node that a pull Job is read with. */
export interface ReadInput {
  readonly desired: readonly DesiredImage[]
  readonly ledger: readonly LedgerEntry[]
  readonly inventory: Inventory
  readonly caches: ReadonlyMap<string, CompiledCache>
  readonly pods: readonly PullPod[]
  /** The API server's message why a Job has no Pod, by Job UID. Only Jobs that were explained have one. */
  readonly refusals: ReadonlyMap<string, string>
  readonly settings: JobSettings
  readonly now: number
}
