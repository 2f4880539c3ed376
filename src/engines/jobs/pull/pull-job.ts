import { GROUP, JOB_ANNOTATIONS } from '../../../api/constants.ts'
import type { KubeObject } from '../../../api/object.ts'

/**
 * How a Job makes the kubelet pull:
 * - `batch`: image volumes. One helper container mounts all images, so the Job proves all images or none.
 * - `single`: image volumes. One helper container for each image, so each image has its own status.
 * - `containers`: for older nodes. One container of each image runs an injected static binary.
 */
export type JobMethod = 'batch' | 'single' | 'containers'

/** A pull Job: a projection of batch/v1 Job. */
export interface PullJob extends KubeObject {
  readonly nodeName: string
  readonly nodeUid: string
  /** `namespace/name` of the cache that it pulls for. */
  readonly cache: string
  /** UID of the ImageCache that controls the Job. Empty where none does. */
  readonly ownerUid: string
  readonly method: JobMethod
  /** Undefined where the Job pulls without secrets. */
  readonly credential?: string
  /** Revision of the newest request that the Job answers. 0 where the annotation is missing or invalid. */
  readonly revision: number
  /** Time of creation, RFC 3339, with fractions of a second where known. */
  readonly startedAt: string
  readonly images: readonly string[]
  /** True where the Job is Complete or Failed. */
  readonly finished: boolean
}

interface RawContainer {
  name: string
  image?: string
  volumeMounts?: { name: string; mountPath: string }[]
}

/** The fields of batch/v1 Job that are read. */
export interface RawJob extends KubeObject {
  spec?: {
    template?: { spec?: { nodeName?: string; containers?: RawContainer[] } }
  }
  status?: { conditions?: { type: string; status: string }[] }
}

/**
 * Greatest difference between clocks of API servers.
 * If a start is later than the creation by more, the controller did not write it.
 */
const SKEW_MS = 60_000

/** The projection of a pull Job. */
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

/** The revision that an annotation holds. 0 where the text is not a whole number. */
export function revisionOf(text = ''): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : 0
}

/**
 * Ignores a start that is too late.
 * Else a user who edits the annotation could make the node wait for ever.
 */
function notAfter(time: string, created: string | undefined): string {
  return created !== undefined && Date.parse(time) > Date.parse(created) + SKEW_MS ? created : time
}
