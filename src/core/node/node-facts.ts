import { isDeepStrictEqual } from 'node:util'
import { HOSTNAME_LABEL } from '../../api/constants.ts'
import type { KubeObject } from '../../api/object.ts'
import { Interner } from '../../base/interner.ts'

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
  /** When the kubelet last wrote this status, RFC 3339 on its own clock. Only compared for equality. */
  readonly heartbeatAt: string
  /**
   * When the controller saw a new heartbeat, in milliseconds on its own clock.
   * Absent until a heartbeat comes that the controller has waited for: the age of the first one is unknown.
   */
  readonly listSeenAt?: number
  /**
   * When DiskPressure last ended, RFC 3339 on the clock of the node: the kubelet may have removed images
   * before. Absent while it lasts. Only compared for equality.
   */
  readonly diskPressureAt?: string
  /** Greatest number of names that one image of the list has. At 5 the kubelet may have left names out. */
  readonly mostNames: number
  /**
   * One text for each image of the kubelet's list: its names, with a line feed before and after each.
   * Nodes share equal texts.
   */
  readonly imageNames: readonly string[]
}

/** What is known of a Node before a new version of it comes. */
export interface NodeSeen {
  /** The facts of the version before. Absent for a Node that is seen for the first time. */
  readonly previous?: NodeFacts | undefined
  /** Time of the controller, in milliseconds since the epoch. */
  readonly now: number
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

/**
 * The hostname label of a node, or its name: how a status names a node, as clients of old releases expect.
 */
export function hostnameOf({ metadata: { name, labels } }: NodeFacts): string {
  return labels?.[HOSTNAME_LABEL] ?? name
}

/** Names of images that nodes share. */
const sharedNames = new Interner<string>(20_000)

/** The facts of a Node. Never throws, even for unusual kubelets. */
export function projectNode(raw: RawNode, { previous, now }: NodeSeen = { now: 0 }): NodeFacts {
  const { name, uid, resourceVersion, creationTimestamp, deletionTimestamp, labels } = raw.metadata
  const before = previous?.metadata.uid === uid ? previous : undefined
  const ready = raw.status?.conditions?.find(condition => condition.type === 'Ready')
  const disk = raw.status?.conditions?.find(condition => condition.type === 'DiskPressure')
  const heartbeatAt = ready?.lastHeartbeatTime ?? ''
  const listSeenAt = before && before.heartbeatAt !== heartbeatAt ? now : before?.listSeenAt
  const names = (raw.status?.images ?? []).map(image => image.names ?? [])
  return {
    metadata: {
      name,
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(creationTimestamp !== undefined && { creationTimestamp }),
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
      labels: kept(before?.metadata.labels, labels ?? {}),
    },
    ready: ready?.status === 'True',
    unschedulable: raw.spec?.unschedulable ?? false,
    taints: kept(before?.taints, raw.spec?.taints ?? []),
    os: raw.status?.nodeInfo?.operatingSystem ?? 'linux',
    machineId: raw.status?.nodeInfo?.machineID ?? '',
    kubeletVersion: raw.status?.nodeInfo?.kubeletVersion ?? '',
    runtime: raw.status?.nodeInfo?.containerRuntimeVersion ?? '',
    heartbeatAt,
    ...(listSeenAt !== undefined && { listSeenAt }),
    ...(disk?.status === 'False' &&
      disk.lastTransitionTime !== undefined && { diskPressureAt: disk.lastTransitionTime }),
    mostNames: Math.max(0, ...names.map(list => list.length)),
    imageNames: kept(
      before?.imageNames,
      names.map(list => shared(`\n${list.join('\n')}\n`)),
    ),
  }
}

/** The value before where nothing differs: it needs no memory, and is quickly compared. */
function kept<T>(before: T | undefined, value: T): T {
  return before !== undefined && isDeepStrictEqual(before, value) ? before : value
}

function shared(text: string): string {
  return sharedNames.share(text, text)
}

/**
 * True where two projections lead to the same plan: all but the heartbeat and the resource version are
 * equal.
 */
export function sameFacts(a: NodeFacts, b: NodeFacts): boolean {
  return isDeepStrictEqual(withoutHeartbeat(a), withoutHeartbeat(b))
}

function withoutHeartbeat(node: NodeFacts): object {
  return { ...node, heartbeatAt: '', listSeenAt: 0, metadata: { ...node.metadata, resourceVersion: '' } }
}
