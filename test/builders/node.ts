import { type NodeFacts, type RawNode, projectNode } from '../../src/core/node/index.ts'
import { at } from './time.ts'

/** What a test says about a node. */
export interface NodeOptions {
  readonly labels?: Record<string, string>
  readonly ready?: boolean
  readonly unschedulable?: boolean
  readonly taints?: NonNullable<RawNode['spec']>['taints']
  readonly os?: string
  readonly kubelet?: string
  /** RFC 3339. */
  readonly madeAt?: string
  readonly deletedAt?: string
  readonly heartbeatAt?: string
  /** When DiskPressure ended. */
  readonly diskPressureAt?: string
  /** Names of each image. Absent: the list is full, so that it proves nothing. */
  readonly lists?: readonly (readonly string[] | null)[]
}

const FULL_LIST = Array.from({ length: 50 }, (_, index) => [`elsewhere.test/other:${index}`])

/** A Ready Linux node. Its list is full, so that it proves nothing, unless names of images are given. */
export function nodeOf(name: string, lists?: readonly string[][], heartbeatAt = at(0)): NodeFacts {
  return nodeWith(name, { ...(lists && { lists }), heartbeatAt })
}

/** A Ready Linux node, but for what a test says. */
export function nodeWith(name: string, options: NodeOptions): NodeFacts {
  const { labels = {}, ready = true, unschedulable, taints, os = 'linux', kubelet = 'v1.36.3' } = options
  const { madeAt, deletedAt, heartbeatAt = at(0), diskPressureAt, lists = FULL_LIST } = options
  const raw: RawNode = {
    metadata: {
      name,
      uid: `uid-of-${name}`,
      labels,
      ...(madeAt !== undefined && { creationTimestamp: madeAt }),
      ...(deletedAt !== undefined && { deletionTimestamp: deletedAt }),
    },
    spec: { ...(unschedulable !== undefined && { unschedulable }), ...(taints && { taints }) },
    status: {
      conditions: [
        { type: 'Ready', status: ready ? 'True' : 'Unknown', lastHeartbeatTime: heartbeatAt },
        ...(diskPressureAt === undefined
          ? []
          : [{ type: 'DiskPressure', status: 'False', lastTransitionTime: diskPressureAt }]),
      ],
      images: lists.map(names => ({ names: names && [...names] })),
      nodeInfo: {
        operatingSystem: os,
        machineID: `machine-of-${name}`,
        kubeletVersion: kubelet,
        containerRuntimeVersion: 'containerd://2.3.7',
      },
    },
  }
  const now = Date.parse(heartbeatAt)
  // The controller sees the heartbeat at the time that it has.
  return { ...projectNode(raw, { now }), listSeenAt: now }
}
