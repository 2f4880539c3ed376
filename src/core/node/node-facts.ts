import { HOSTNAME_LABEL } from '../../api/constants.ts'
import type { KubeObject } from '../../api/object.ts'

/** A taint of a node (core/v1 Taint). */
export interface Taint {
  readonly key: string
  readonly value?: string
  readonly effect: string
}

/**
 * What the plan and the engines read of a Node: a projection of core/v1 Node, small enough to keep
 * thousands.
 */
export interface NodeFacts extends KubeObject {
  readonly ready: boolean
  readonly unschedulable: boolean
  readonly taints: readonly Taint[]
  /** `linux`, `windows`. */
  readonly os: string
  readonly machineId: string
  readonly kubeletVersion: string
  /** As the node reports it: `containerd://2.3.7`. */
  readonly runtime: string
  /** When the kubelet last wrote this status, and so `imageNames`. */
  readonly heartbeatAt: string
  /** When DiskPressure last ended: the kubelet may have removed images before. Absent while it lasts. */
  readonly diskPressureAt?: string
  /** Number of images in the kubelet's list. */
  readonly imageCount: number
  /** Greatest number of names that one image of the list has. At 5 the kubelet may have left names out. */
  readonly mostNames: number
  /**
   * All names of the list. A line feed stands before and after each name, an empty line between images.
   * One flat string, because thousands of small strings need more memory.
   */
  readonly imageNames: string
}

interface RawCondition {
  type: string
  status: string
  lastHeartbeatTime?: string
  lastTransitionTime?: string
}

/** The fields of core/v1 Node that are read. */
export interface RawNode extends KubeObject {
  spec?: { unschedulable?: boolean; taints?: Taint[] }
  status?: {
    conditions?: RawCondition[]
    images?: { names?: string[] | null }[]
    nodeInfo?: {
      operatingSystem?: string
      machineID?: string
      kubeletVersion?: string
      containerRuntimeVersion?: string
    }
  }
}

/** The hostname label of a node, or its name: how a status names a node, as clients of old releases expect. */
export function hostnameOf({ metadata: { name, labels } }: NodeFacts): string {
  return labels?.[HOSTNAME_LABEL] ?? name
}

/** The facts of a Node. Never throws, even for unusual kubelets. */
export function projectNode(raw: RawNode): NodeFacts {
  const conditions = raw.status?.conditions ?? []
  const ready = conditions.find(condition => condition.type === 'Ready')
  const disk = conditions.find(condition => condition.type === 'DiskPressure')
  const images = raw.status?.images ?? []
  const names = images.map(image => image.names ?? [])
  const { name, uid, resourceVersion, creationTimestamp, deletionTimestamp, labels } = raw.metadata
  return {
    metadata: {
      name,
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(creationTimestamp !== undefined && { creationTimestamp }),
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
      labels: labels ?? {},
    },
    ready: ready?.status === 'True',
    unschedulable: raw.spec?.unschedulable ?? false,
    taints: raw.spec?.taints ?? [],
    os: raw.status?.nodeInfo?.operatingSystem ?? 'linux',
    machineId: raw.status?.nodeInfo?.machineID ?? '',
    kubeletVersion: raw.status?.nodeInfo?.kubeletVersion ?? '',
    runtime: raw.status?.nodeInfo?.containerRuntimeVersion ?? '',
    heartbeatAt: ready?.lastHeartbeatTime ?? '',
    ...(disk?.status === 'False' &&
      disk.lastTransitionTime !== undefined && { diskPressureAt: disk.lastTransitionTime }),
    imageCount: images.length,
    mostNames: Math.max(0, ...names.map(list => list.length)),
    imageNames: `\n${names.map(list => list.join('\n')).join('\n\n')}\n`,
  }
}

/**
 * True where two projections lead to the same plan: all but the heartbeat and the resource version are
 * equal.
 */
export function sameFacts(a: NodeFacts, b: NodeFacts): boolean {
  const essence = (node: NodeFacts) =>
    JSON.stringify({ ...node, heartbeatAt: '', metadata: { ...node.metadata, resourceVersion: '' } })
  return essence(a) === essence(b)
}
