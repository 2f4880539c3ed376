import { boundedText } from '../../../core/ledger/index.ts'
import { REMOVAL_ANNOTATIONS } from '../../../api/constants.ts'
import type { KubeObject } from '../../../api/object.ts'
import { revisionOf } from '../pull/pull-job.ts'

/** A removal Job: a projection of batch/v1 Job. */
export interface RemovalJob extends KubeObject {
  readonly nodeName: string
  readonly nodeUid: string
  /** Revision of the newest request that the Job answers. 0 where the annotation is missing or invalid. */
  readonly revision: number
  /** Ledger keys of its images, in the order of its request. */
  readonly keys: readonly string[]
  /** True where the Job is Complete or Failed. */
  readonly finished: boolean
}

/** The fields of batch/v1 Job that are read. */
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
  /** Why the kubelet refused, evicted or does not start the Pod. From the Pod, else from its container. */
  readonly reason: string
  readonly message: string
  /** Termination message of the container. Empty before the container ends. */
  readonly result: string
  /** True where the container cannot start without help, for example because its image cannot be pulled. */
  readonly stuck: boolean
  /** True where the kubelet has the Pod and has not started its container. */
  readonly starting: boolean
}

/** The fields of core/v1 Pod that are read. */
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

/** `state.waiting.reason` of a container that starts normally. */
const STARTING = new Set(['', 'ContainerCreating', 'PodInitializing'])

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
    message: boundedText(raw.status?.message ?? waiting?.message ?? ''),
    result: terminated?.message ?? '',
    stuck: waiting !== undefined && !STARTING.has(waiting.reason ?? ''),
    starting:
      raw.status?.phase === 'Pending' && (waiting === undefined || STARTING.has(waiting.reason ?? '')),
  }
}

function withoutManagedFields(metadata: KubeObject['metadata']): KubeObject['metadata'] {
  const { managedFields: _, ...kept } = metadata as typeof metadata & { managedFields?: unknown }
  return kept
}
