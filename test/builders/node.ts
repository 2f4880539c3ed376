import { type NodeFacts, type RawNode, projectNode } from '../../src/core/node/index.ts'
import { at } from './time.ts'

/** A Ready Linux node. Its list is full, so that it proves nothing, unless names of images are given. */
export function nodeOf(name: string, lists?: readonly string[][], heartbeatAt = at(0)): NodeFacts {
  const full = Array.from({ length: 50 }, (_, index) => [`elsewhere.test/other:${index}`])
  const raw: RawNode = {
    metadata: { name, uid: `uid-of-${name}`, labels: {} },
    status: {
      conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: heartbeatAt }],
      images: (lists ?? full).map(names => ({ names })),
      nodeInfo: {
        operatingSystem: 'linux',
        machineID: `machine-of-${name}`,
        kubeletVersion: 'v1.36.3',
        containerRuntimeVersion: 'containerd://2.3.7',
      },
    },
  }
  return projectNode(raw)
}
