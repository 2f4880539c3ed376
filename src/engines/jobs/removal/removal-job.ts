import { REMOVAL_ANNOTATIONS } from '../../../api/constants.ts'
import type { KubeObject } from '../../../api/object.ts'
import { revisionOf } from '../pull/pull-job.ts'

/** A Job that removes images from a node: a projection of batch/v1 Job. */
export interface RemovalJob extends KubeObject {
  readonly nodeName: string
  readonly nodeUid: string
  /** Revision of the newest request that it answers. 0 where it does not say. */
  readonly revision: number
  /** Keys of the ledger entries that it answers for, in the order of its request. */
  readonly keys: readonly string[]
  /** Complete or Failed. */
  readonly finished: boolean
}

/** batch/v1 Job, as far as it is read. */
export interface RawRemovalJob extends KubeObject {
  spec?: { template?: { spec?: { nodeName?: string } } }
  status?: { conditions?: { type: string; status: string }[] }
}

/** The projection of a removal Job. */
export function projectRemovalJob(raw: RawRemovalJob): RemovalJob {
  const annotations = raw.metadata.annotations ?? {}
  const { annotations: _, labels: __, ...metadata } = withoutManagedFields(raw.metadata)
  return {
    metadata,
    nodeName: raw.spec?.template?.spec?.nodeName ?? '',
    nodeUid: annotations[REMOVAL_ANNOTATIONS.nodeUid] ?? '',
    revision: revisionOf(annotations[REMOVAL_ANNOTATIONS.revision]),
    keys: (annotations[REMOVAL_ANNOTATIONS.keys] ?? '').split('\n').filter(Boolean),
    finished: (raw.status?.conditions ?? []).some(
      ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
    ),
  }
}

/** The Pod of a removal Job: a projection of core/v1 Pod. */
export interface RemovalPod extends KubeObject {
  readonly job: string
  readonly nodeName: string
  readonly phase: string
  /** Why the kubelet refused, evicted or does not start it: its own words, or those about its container. */
  readonly reason: string
  readonly message: string
  /** What its container wrote before it ended; empty before. */
  readonly result: string
  /** The container waits for something that does not come by itself: its image, say. */
  readonly stuck: boolean
}

/** core/v1 Pod, as far as it is read. */
export interface RawRemovalPod extends KubeObject {
  spec?: { nodeName?: string }
  status?: {
    phase?: string
    reason?: string
    message?: string
    containerStatuses?: {
      state?: {
        waiting?: { reason?: string; message?: string }
        terminated?: { reason?: string; message?: string; exitCode?: number }
      }
    }[]
  }
}

/** What a container that has not started waits for while all is well. */
const IN_ORDER = new Set(['', 'ContainerCreating', 'PodInitializing'])

/** The projection of the Pod of a removal Job. */
export function projectRemovalPod(raw: RawRemovalPod): RemovalPod {
  const { annotations: _, labels, ...metadata } = withoutManagedFields(raw.metadata)
  const { waiting, terminated } = raw.status?.containerStatuses?.[0]?.state ?? {}
  return {
    metadata,
    job: labels?.['batch.kubernetes.io/job-name'] ?? '',
    nodeName: raw.spec?.nodeName ?? '',
    phase: raw.status?.phase ?? '',
    reason: raw.status?.reason ?? terminated?.reason ?? waiting?.reason ?? '',
    message: raw.status?.message ?? waiting?.message ?? '',
    result: terminated?.message ?? '',
    stuck: waiting !== undefined && !IN_ORDER.has(waiting.reason ?? ''),
  }
}

function withoutManagedFields(metadata: KubeObject['metadata']): KubeObject['metadata'] {
  const { managedFields: _, ...kept } = metadata as typeof metadata & { managedFields?: unknown }
  return kept
}
