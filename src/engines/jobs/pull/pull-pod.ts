import type { KubeObject } from '../../../api/object.ts'
import { boundedText } from '../../../core/ledger/index.ts'
import { COPY_CONTAINER, isPullContainer, isPullVolume } from './container-names.ts'

/** State of a container as the kubelet reports it. `none` before the first report. */
export interface ContainerState {
  readonly phase: 'none' | 'waiting' | 'running' | 'terminated'
  readonly reason: string
  readonly message: string
  /** RFC 3339. Only running and terminated containers have it. */
  readonly startedAt?: string
}

/** One container of a pull Pod. */
export interface PullContainer {
  readonly name: string
  readonly image: string
  /** Names of the mounted volumes. */
  readonly mounts: readonly string[]
  readonly state: ContainerState
  /** `repository@digest` as the runtime reports it. Empty before that report. */
  readonly imageId: string
}

/**
 * The Pod of a pull Job: a projection of core/v1 Pod.
 * It has only the containers and volumes that the Job asks for: what a mesh injects is no evidence.
 */
export interface PullPod extends KubeObject {
  readonly job: string
  /** UID of the Job that controls the Pod. Empty where none does. */
  readonly jobUid: string
  readonly nodeName: string
  readonly phase: string
  /** Why the kubelet refused or evicted the Pod. */
  readonly reason: string
  readonly message: string
  /** When the kubelet acknowledged the Pod, RFC 3339. Undefined before. */
  readonly startedAt?: string
  /** True where the Pod's sandbox is ready. The kubelet pulls only after that. */
  readonly sandboxReady: boolean
  /**
   * True where every container has the pull policy `Always`, which no Job asks for: the admission plugin
   * AlwaysPullImages is on, and each look at an image asks its registry.
   */
  readonly alwaysPulls: boolean
  /** References of the image volumes as the API server stored them, by name of the volume. */
  readonly imageVolumes: Readonly<Record<string, string>>
  /** The init container of the method `containers`. */
  readonly copyContainer?: PullContainer
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
  imagePullPolicy?: string
  volumeMounts?: { name: string }[]
}

interface RawContainerStatus {
  name: string
  imageID?: string
  state?: RawState
}

/** The fields of core/v1 Pod that are read. */
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

/** The projection of the Pod of a pull Job. */
export function projectPod(raw: RawPod): PullPod {
  const { name, namespace, uid, resourceVersion, deletionTimestamp, creationTimestamp, labels } = raw.metadata
  const owner = raw.metadata.ownerReferences?.find(reference => reference.controller)
  const volumes = (raw.spec?.volumes ?? []).filter(volume => isPullVolume(volume.name))
  const copySpecs = (raw.spec?.initContainers ?? []).filter(spec => spec.name === COPY_CONTAINER)
  const pullSpecs = (raw.spec?.containers ?? []).filter(spec => isPullContainer(spec.name))
  const [copyContainer] = containers(copySpecs, raw.status?.initContainerStatuses)
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
    message: boundedText(raw.status?.message ?? ''),
    ...(raw.status?.startTime !== undefined && { startedAt: raw.status.startTime }),
    sandboxReady: (raw.status?.conditions ?? []).some(
      ({ type, status }) => type === 'PodReadyToStartContainers' && status === 'True',
    ),
    alwaysPulls: [...copySpecs, ...pullSpecs].every(({ imagePullPolicy }) => imagePullPolicy === 'Always'),
    imageVolumes: Object.fromEntries(
      volumes.flatMap(volume => (volume.image?.reference ? [[volume.name, volume.image.reference]] : [])),
    ),
    ...(copyContainer && { copyContainer }),
    containers: containers(pullSpecs, raw.status?.containerStatuses),
  }
}

function containers(specs: RawContainer[], statuses: RawContainerStatus[] = []): PullContainer[] {
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
      message: boundedText(terminated.message ?? ''),
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
  if (waiting)
    return { phase: 'waiting', reason: waiting.reason ?? '', message: boundedText(waiting.message ?? '') }
  return { phase: 'none', reason: '', message: '' }
}
