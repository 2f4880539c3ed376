import { type DesiredImage, type LedgerEntry, entryKey } from '../../../api/node-images.ts'
import type { CompiledCache } from '../../../core/demand/index.ts'
import { type DuePull, byKey } from '../../../core/ledger/index.ts'
import type { NodeFacts } from '../../../core/node/index.ts'
import { type Batch, type BatchInput, nextBatch } from './batch.ts'
import { jobDeadlineMs, pullDeadlineMs } from './deadline.ts'
import { jobName } from './job-name.ts'
import type { JobSettings } from './job-settings.ts'
import type { PullJob } from './pull-job.ts'

/**
 * Time that `activeDeadlineSeconds` adds to the pull deadline.
 * While the controller runs, it ends a Job earlier.
 */
const SAFETY_S = 600

/** Facts about one node that decide its next pull Job. */
export interface ChooseInput extends BatchInput {
  readonly node: NodeFacts
  readonly ledger: readonly LedgerEntry[]
  readonly settings: JobSettings
}

/** A pull Job to create. */
export interface JobRequest {
  readonly name: string
  readonly cache: CompiledCache
  readonly method: PullJob['method']
  readonly images: readonly DesiredImage[]
  /** True where the Job only proves that the node still has the images. */
  readonly proofOnly: boolean
  /** Revision of the newest request among its images. */
  readonly revision: number
  /** Time of creation, RFC 3339. */
  readonly startedAt: string
  readonly activeDeadlineSeconds: number
  /**
   * True where one of the images has no attempt yet for the current request.
   * Catch-up, retries and re-checks yield.
   */
  readonly urgent: boolean
}

/**
 * The next pull Job of a node.
 * Undefined where all due images wait until another node has probed their registry.
 */
export function chooseJob(pulls: readonly DuePull[], input: ChooseInput): JobRequest | undefined {
  const batch = nextBatch(pulls, input)
  return batch && request(batch, input)
}

function request(batch: Batch, { node, ledger, settings, now }: ChooseInput): JobRequest {
  const images = batch.proofOnly ? batch.images.map(asProof) : batch.images
  const deadline = jobDeadlineMs(pullDeadlineMs(batch.cache, settings), images.length, settings)
  return {
    name: jobName(batch.cache, node.metadata.uid ?? '', batch.method, images, byKey(ledger)),
    cache: batch.cache,
    method: batch.method,
    images,
    proofOnly: batch.proofOnly,
    revision: Math.max(...images.map(image => image.revision)),
    startedAt: new Date(now).toISOString(),
    activeDeadlineSeconds: Math.ceil(deadline / 1000) + SAFETY_S,
    urgent: batch.urgent,
  }
}

function asProof(image: DesiredImage): DesiredImage {
  return { ...image, pullPolicy: 'IfNotPresent' }
}

/** Ledger keys of the images of these Jobs. */
export function keysInFlight(jobs: readonly PullJob[]): Set<string> {
  return new Set(
    jobs.flatMap(job => job.images.map(image => entryKey({ image, credential: job.credential }))),
  )
}
