import type { KubeClient, Resource, ResourceDef } from '../../src/kube/index.ts'
import type { KubeObject } from '../../src/api/object.ts'
import { inParallel } from './in-parallel.ts'

/** Node objects that nothing runs on. */

/** Resource of Nodes. */
const NODES: ResourceDef = { group: '', version: 'v1', plural: 'nodes', kind: 'Node', namespaced: false }

/** Images that each node of the kind `listing` lists. Fewer than 50, so that the list counts as whole. */
export const LISTED_IMAGES = 40
/** Number of pools: each has one node of 50. */
export const POOLS = 50

/** Kinds of nodes: `listing` nodes list 40 images, `empty` nodes list none. */
export type NodeKind = 'listing' | 'empty'

/** Label with the kind of a node. A node of the kind `listing` also has the label `pool`. */
export const KIND_LABEL = 'scale'

/** Reference of an image. Nodes of the kind `listing` list the first 40. */
export function image(index: number): string {
  return `registry.test.local/scale/image-${index}:1`
}

/** Creates the nodes of a kind. */
export async function createNodes(client: KubeClient, kind: NodeKind, count: number): Promise<void> {
  const nodes = nodesOf(client)
  await inParallel(Array(count).keys(), index => nodes.create(node(kind, index)))
}

/** Deletes the nodes of a kind. */
export async function deleteNodes(client: KubeClient, kind: NodeKind): Promise<void> {
  await client.request({
    verb: 'delete',
    path: '/api/v1/nodes',
    query: { labelSelector: `${KIND_LABEL}=${kind}` },
    timeoutMs: 300_000,
  })
}

/** Reports the conditions of a node again, as a kubelet does when nothing changed. */
export async function heartbeat(client: KubeClient, kind: NodeKind, index: number): Promise<void> {
  const patch = { status: { conditions: conditions() } }
  await nodesOf(client).mergePatch({ name: nameOf(kind, index) }, patch, { subresource: 'status' })
}

function nodesOf(client: KubeClient): Resource<KubeObject> {
  return client.resource<KubeObject>(NODES)
}

function nameOf(kind: NodeKind, index: number): string {
  return `${kind}-${String(index).padStart(5, '0')}`
}

function conditions(): object[] {
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
  const types = { MemoryPressure: 'False', DiskPressure: 'False', PIDPressure: 'False', Ready: 'True' }
  return Object.entries(types).map(([type, status]) => ({
    type,
    status,
    reason: 'Scale',
    message: 'reported by the scale run',
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  }))
}

/** A Node of common size: labels as clouds set them, and the images with a digest and a tag each. */
function node(kind: NodeKind, index: number): KubeObject & { spec: object; status: object } {
  const name = nameOf(kind, index)
  const resources = { cpu: '64', memory: '256Gi', pods: '250', 'ephemeral-storage': '500Gi' }
  const cloudLabels = Array.from({ length: 10 }, (_, label) => [
    `cloud.example.com/label-${label}`,
    'a-value',
  ])
  return {
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
        'topology.kubernetes.io/zone': `zone-${index % 3}`,
        [KIND_LABEL]: kind,
        ...(kind === 'listing' && { pool: `pool-${index % POOLS}` }),
        ...Object.fromEntries(cloudLabels),
      },
    },
    spec: {},
    status: {
      capacity: resources,
      allocatable: resources,
      conditions: conditions(),
      addresses: [{ type: 'InternalIP', address: `10.${(index >> 8) & 255}.${index & 255}.1` }],
      images: kind === 'listing' ? Array.from({ length: LISTED_IMAGES }, (_, number) => listed(number)) : [],
      nodeInfo: {
        kernelVersion: '6.1.0',
        osImage: 'Linux',
        containerRuntimeVersion: 'containerd://2.3.7',
        kubeletVersion: 'v1.36.3',
        kubeProxyVersion: '',
        operatingSystem: 'linux',
        architecture: 'amd64',
        machineID: `machine-${name}`,
        systemUUID: `system-${name}`,
        bootID: `boot-${name}`,
      },
    },
  }
}

function listed(number: number): object {
  const digest = number.toString(16).padStart(64, '0')
  const repository = image(number).replace(/:1$/, '')
  return { names: [`${repository}@sha256:${digest}`, image(number)], sizeBytes: 2_000_000 }
}
