import type { Cluster } from './cluster.ts'
import { eventually } from './eventually.ts'

/** A container of a Pod, with the fields that tests read. */
export interface PodContainer {
  readonly name: string
  readonly image: string
  readonly securityContext?: Record<string, unknown>
  readonly resources?: { requests?: Record<string, string>; limits?: Record<string, string> }
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[]
}

/** A core/v1 Pod, with the fields that tests read. */
export interface Pod {
  readonly metadata: {
    readonly name: string
    readonly labels: Record<string, string>
    readonly annotations: Record<string, string>
    readonly deletionTimestamp?: string
  }
  readonly spec: {
    readonly nodeName: string
    readonly automountServiceAccountToken?: boolean
    readonly hostNetwork?: boolean
    readonly securityContext: Record<string, unknown>
    readonly tolerations: readonly Record<string, unknown>[]
    readonly volumes?: readonly (Record<string, unknown> & {
      name: string
      image?: { reference: string; pullPolicy: string }
    })[]
    readonly initContainers?: readonly PodContainer[]
    readonly containers: readonly PodContainer[]
  }
}

/** Labels of pull Pods, for users and monitoring. */
const SELECTOR = 'app=kubefledged,kubefledged=kubefledged-image-manager'

/** The pull Pods of a namespace. */
export async function pullPods(cluster: Cluster, namespace: string): Promise<Pod[]> {
  const args = ['-n', namespace, 'get', 'pods', `--selector=${SELECTOR}`]
  return (await cluster.kubectlJson<{ items: Pod[] }>(args)).items
}

/** Waits until a Pod in a namespace pulls this image, and returns it. */
export function podThatPulls(cluster: Cluster, namespace: string, image: string): Promise<Pod> {
  return eventually(`a Pod in ${namespace} that pulls ${image}`, async () =>
    (await pullPods(cluster, namespace)).find(pod => pulledBy(pod).includes(image)),
  )
}

/** Images that a Pod pulls: by image volumes, or by containers beside the helper. */
export function pulledBy({ spec }: Pod): string[] {
  const volumes = (spec.volumes ?? []).flatMap(({ image }) => (image ? [image.reference] : []))
  return [...volumes, ...spec.containers.map(container => container.image)]
}

/** Waits until a namespace has no pull Job and no pull Pod. */
export async function waitUntilNothingPulls(cluster: Cluster, namespace: string): Promise<void> {
  await eventually(`no Jobs and Pods in ${namespace}`, async () => {
    const left = await cluster.kubectl(['-n', namespace, 'get', 'jobs,pods', '-o', 'name'])
    if (left.trim() !== '') throw new Error(`there are ${left}`)
    return true
  })
}
