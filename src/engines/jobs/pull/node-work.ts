import type { DesiredImage, LedgerEntry } from '../../../api/node-images.ts'
import type { CompiledCache } from '../../../core/demand/index.ts'
import type { NodeFacts } from '../../../core/node/index.ts'
import type { PullJob } from './pull-job.ts'
import type { PullPod } from './pull-pod.ts'

/** How Jobs make the kubelet pull on a node. */
export type PullMethod = 'image-volumes' | 'containers'

/**
 * How a registry may be used: as it comes; one image at a time, for no pull from it was seen to end yet; one image alone,
 * for it does not answer; or later, for it limits the rate of pulls.
 */
export type RegistryState = 'good' | 'unknown' | 'failing' | 'limited'

/** What is known of registries over all nodes. */
export interface RegistryView {
  /** How this node may use it. */
  state(host: string): RegistryState
  /** When a pull from it last succeeded, RFC 3339. */
  lastSuccess(host: string): string | undefined
  /** False while another node's Job is trying it. */
  mayProbe(host: string, nodeName: string): boolean
}

/** Settings of the Job engine. Times in milliseconds. */
export interface JobSettings {
  /** The operator's own image: one static busybox. */
  readonly helperImage: string
  /** Names of the Secrets that it is pulled with, in the namespace of each Job; part of no image's credential. */
  readonly helperPullSecrets: readonly string[]
  /** For one image, from the end of the one before. */
  readonly pullDeadlineMs: number
  /** A `Present` that nothing else confirms is proved again after this. */
  readonly recheckIntervalMs: number
  readonly retainJobs: boolean
  readonly serviceAccountName?: string
  readonly priorityClassName?: string
}

/** Everything that one decision about one node is made from. */
export interface NodeWork {
  readonly node: NodeFacts
  readonly desired: readonly DesiredImage[]
  /** Keys of the desired images that the node may have work for now. */
  readonly startable: ReadonlySet<string>
  readonly ledger: readonly LedgerEntry[]
  /** Keys of what is to be removed from the node. */
  readonly removing: ReadonlySet<string>
  /** A removal Job is at work on the node. */
  readonly removalRuns: boolean
  /** Pull Jobs pinned to this node. */
  readonly jobs: readonly PullJob[]
  /** Their Pods. */
  readonly pods: readonly PullPod[]
  /** Caches by owner hash. */
  readonly caches: ReadonlyMap<string, CompiledCache>
  readonly method: PullMethod
  readonly registries: RegistryView
  /** The registry can be asked what the image stands for, and was not a moment ago. */
  isToBeAsked(image: DesiredImage): boolean
  /** Why no Job can be made in a namespace now, in the API server's words; undefined where nothing is known against it. */
  refusedIn(namespace: string): string | undefined
  /** When Jobs could be made again in a namespace that had refused them, or may be tried to be, RFC 3339. */
  admittedAt(namespace: string): string | undefined
  /** When a namespace that refuses Jobs is tried again, in milliseconds since the epoch. */
  refusedUntil(namespace: string): number | undefined
  /** Why a Job has no Pod, in the API server's words, by Job UID; present once asked. */
  readonly refusals: ReadonlyMap<string, string>
  readonly settings: JobSettings
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** A Job to be made. */
export interface JobRequest {
  readonly name: string
  readonly cache: CompiledCache
  readonly method: PullJob['method']
  readonly images: readonly DesiredImage[]
  /** True where the node has to be asked whether its image is still there, not the registry. */
  readonly proofOnly: boolean
  readonly requestedAt: string
  /** When it is made, RFC 3339. */
  readonly startedAt: string
  readonly activeDeadlineSeconds: number
  /** False for catch-up, retries and re-checks: they yield to images that nobody has tried. */
  readonly urgent: boolean
}

/** What is to be done for a node. Applying it twice does no harm. */
export interface Decision {
  /** The whole new ledger. */
  readonly ledger: readonly LedgerEntry[]
  /** Jobs that may go, or be retained, once the ledger is written: they were read to their end, or nobody wants them. */
  readonly finished: readonly PullJob[]
  /** Jobs whose missing Pod is to be explained. */
  readonly unexplained: readonly PullJob[]
  readonly start?: JobRequest
  /** Images whose registry is to be asked before they are pulled; then there is no `start`. */
  readonly ask?: readonly DesiredImage[]
  /** The API server does not keep image volumes. */
  readonly volumesDropped: boolean
  /** When to look again although nothing changed, in milliseconds from now. */
  readonly lookAgainMs?: number
}
