import type { KubeObject } from '../../../api/object.ts'

/** State of a container: what the kubelet says, flattened. `none` until it has said anything. */
export interface ContainerState {
  readonly phase: 'none' | 'waiting' | 'running' | 'terminated'
  readonly reason: string
  readonly message: string
  /** RFC 3339, of running or terminated containers. */
  readonly startedAt?: string
}

/** One container of a pull Pod. */
export interface PullContainer {
  readonly name: string
  readonly image: string
  /** Names of the volumes that it mounts. */
  readonly mounts: readonly string[]
  readonly state: ContainerState
  /** `repository@digest` as the runtime reports it; empty before. */
  readonly imageId: string
}

/** The Pod of a pull Job: a projection of core/v1 Pod. */
export interface PullPod extends KubeObject {
  readonly job: string
  /** UID of the Job that controls it; empty where none does. */
  readonly jobUid: string
  readonly nodeName: string
  readonly phase: string
  /** Why the kubelet refused or evicted it. */
  readonly reason: string
  readonly message: string
  /** When the kubelet took it up, RFC 3339; absent before. */
  readonly startedAt?: string
  /** Its sandbox stands: from now on it pulls. */
  readonly sandboxReady: boolean
  /** Image volumes by name: the reference as the API server stored it. */
  readonly imageVolumes: Readonly<Record<string, string>>
  readonly initContainers: readonly PullContainer[]
  readonly containers: readonly PullContainer[]
}

interface RawState {
  waiting?: { reason?: string; message?: string }
  running?: { startedAt?: string }
  terminated?: { reason?: string; message?: string; startedAt?: string }
}

interface RawContainer {
  name: string
  image?: string
  volumeMounts?: { name: string }[]
}

interface RawContainerStatus {
  name: string
  imageID?: string
  state?: RawState
}

/** core/v1 Pod, as far as it is read. */
export interface RawPod extends KubeObject {
  spec?: {
    nodeName?: string
    volumes?: { name: string; image?: { reference?: string } }[]
    initContainers?: RawContainer[]
    containers?: RawContainer[]
  }
  status?: {
    phase?: string
    reason?: string
    message?: string
    startTime?: string
    conditions?: { type: string; status: string }[]
    initContainerStatuses?: RawContainerStatus[]
    containerStatuses?: RawContainerStatus[]
  }
}

/** The projection of a Pod of ours. */
export function projectPod(raw: RawPod): PullPod {
  const { name, namespace, uid, resourceVersion, deletionTimestamp, creationTimestamp, labels } = raw.metadata
  const owner = raw.metadata.ownerReferences?.find(reference => reference.controller)
  const volumes = raw.spec?.volumes ?? []
  return {
    metadata: {
      name,
      namespace: namespace ?? '',
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(creationTimestamp !== undefined && { creationTimestamp }),
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    },
    job: labels?.['batch.kubernetes.io/job-name'] ?? labels?.['job-name'] ?? '',
    jobUid: owner?.kind === 'Job' ? owner.uid : '',
    nodeName: raw.spec?.nodeName ?? '',
    phase: raw.status?.phase ?? '',
    reason: raw.status?.reason ?? '',
    message: raw.status?.message ?? '',
    ...(raw.status?.startTime !== undefined && { startedAt: raw.status.startTime }),
    sandboxReady: (raw.status?.conditions ?? []).some(
      ({ type, status }) => type === 'PodReadyToStartContainers' && status === 'True',
    ),
    imageVolumes: Object.fromEntries(
      volumes.flatMap(volume => (volume.image?.reference ? [[volume.name, volume.image.reference]] : [])),
    ),
    initContainers: containers(raw.spec?.initContainers, raw.status?.initContainerStatuses),
    containers: containers(raw.spec?.containers, raw.status?.containerStatuses),
  }
}

function containers(specs: RawContainer[] = [], statuses: RawContainerStatus[] = []): PullContainer[] {
  return specs.map(spec => {
    const status = statuses.find(candidate => candidate.name === spec.name)
    return {
      name: spec.name,
      image: spec.image ?? '',
      mounts: (spec.volumeMounts ?? []).map(mount => mount.name),
      state: containerState(status?.state),
      imageId: status?.imageID ?? '',
    }
  })
}

function containerState(state: RawState = {}): ContainerState {
  const { waiting, running, terminated } = state
  if (terminated) {
    return {
      phase: 'terminated',
      reason: terminated.reason ?? '',
      message: terminated.message ?? '',
      ...(terminated.startedAt !== undefined && { startedAt: terminated.startedAt }),
    }
  }
  if (running) {
    return {
      phase: 'running',
      reason: '',
      message: '',
      ...(running.startedAt !== undefined && { startedAt: running.startedAt }),
    }
  }
  if (waiting) return { phase: 'waiting', reason: waiting.reason ?? '', message: waiting.message ?? '' }
  return { phase: 'none', reason: '', message: '' }
}
