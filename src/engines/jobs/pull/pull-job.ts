import { GROUP, JOB_ANNOTATIONS } from '../../../api/constants.ts'
import type { KubeObject } from '../../../api/object.ts'

/**
 * How a Job makes the kubelet pull:
 * - `batch`: image volumes, one container of ours mounts all images; proves all of them or none
 * - `single`: image volumes, one container of ours for each image; every image has a status of its own
 * - `containers`: for older nodes, one container of each image runs an injected static binary
 */
export type JobMethod = 'batch' | 'single' | 'containers'

/** A pull Job: a projection of batch/v1 Job. */
export interface PullJob extends KubeObject {
  readonly nodeName: string
  readonly nodeUid: string
  /** `namespace/name` of the cache that it pulls for. */
  readonly cache: string
  /** UID of the ImageCache that controls it; empty where none does. */
  readonly ownerUid: string
  readonly method: JobMethod
  /** Absent where it pulls without secrets. */
  readonly credential?: string
  /** Revision of the newest request that it answers. 0 where it does not say. */
  readonly revision: number
  /** When it was made, as exactly as is known, RFC 3339. */
  readonly startedAt: string
  readonly images: readonly string[]
  /** Complete or Failed. */
  readonly finished: boolean
}

interface RawContainer {
  name: string
  image?: string
  volumeMounts?: { name: string; mountPath: string }[]
}

/** batch/v1 Job, as far as it is read. */
export interface RawJob extends KubeObject {
  spec?: {
    template?: { spec?: { nodeName?: string; containers?: RawContainer[] } }
  }
  status?: { conditions?: { type: string; status: string }[] }
}

/** Clocks of API servers differ; what lies further from a Job's creation was not written by us. */
const SKEW_MS = 60_000

/** The projection of a Job of ours. */
export function projectJob(raw: RawJob): PullJob {
  const { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp } = raw.metadata
  const owner = raw.metadata.ownerReferences?.find(reference => reference.controller)
  const isCache = owner?.kind === 'ImageCache' && owner.apiVersion.startsWith(`${GROUP}/`)
  const annotations = raw.metadata.annotations ?? {}
  const method = annotations[JOB_ANNOTATIONS.method]
  const credential = annotations[JOB_ANNOTATIONS.credential]
  const conditions = raw.status?.conditions ?? []
  return {
    metadata: {
      name,
      namespace: namespace ?? '',
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(creationTimestamp !== undefined && { creationTimestamp }),
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    },
    nodeName: raw.spec?.template?.spec?.nodeName ?? '',
    nodeUid: annotations[JOB_ANNOTATIONS.nodeUid] ?? '',
    cache: annotations[JOB_ANNOTATIONS.cache] ?? '',
    ownerUid: isCache ? owner.uid : '',
    method: method === 'single' || method === 'containers' ? method : 'batch',
    ...(credential && { credential }),
    revision: revisionOf(annotations[JOB_ANNOTATIONS.revision]),
    startedAt: notAfter(annotations[JOB_ANNOTATIONS.startedAt] ?? creationTimestamp ?? '', creationTimestamp),
    images: (annotations[JOB_ANNOTATIONS.images] ?? '').split('\n').filter(Boolean),
    finished: conditions.some(
      ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
    ),
  }
}

/** A whole number; 0 for other text. */
export function revisionOf(text = ''): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : 0
}

/** An author who may change annotations of Jobs must not make one last for ever. */
function notAfter(time: string, created: string | undefined): string {
  return created !== undefined && Date.parse(time) > Date.parse(created) + SKEW_MS ? created : time
}
