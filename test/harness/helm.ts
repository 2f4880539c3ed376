import { join } from 'node:path'
import { ROOT } from './cluster-env.ts'
import type { Cluster } from './cluster.ts'
import { run } from './command.ts'
import { imageNames } from './make.ts'

/** The chart as users of kube-fledged find it. */
export const CHART = join(ROOT, 'deploy/kubefledged-operator/helm-charts/kubefledged')

/** Which variable of the images goes into which value of the chart. */
const VALUES = {
  CONTROLLER_IMAGE_REPO: 'image.kubefledgedControllerRepository',
  WEBHOOK_SERVER_IMAGE_REPO: 'image.kubefledgedWebhookServerRepository',
  CRI_CLIENT_IMAGE_REPO: 'image.kubefledgedCRIClientRepository',
  BUSYBOX_IMAGE_REPO: 'image.busyboxImageRepository',
  RELEASE_VERSION: 'image.tag',
} as const

/** Runs the real helm on this cluster and answers its standard output. @throws HarnessError `CommandFailed` with helm's words. */
export function helm(cluster: Cluster, ...args: string[]): Promise<string> {
  return run(['helm', ...args], {
    timeoutMs: 240_000,
    path: cluster.isLocal ? [cluster.local.bin] : [],
    env: { KUBECONFIG: cluster.kubeconfig },
  })
}

/** Arguments that have the chart use the images which were built for this cluster. */
export async function imageArguments(cluster: Cluster): Promise<string[]> {
  const names: Partial<Record<string, string>> = await imageNames(cluster)
  return Object.entries(VALUES).flatMap(([variable, value]) => {
    const name = names[variable]
    return name === undefined ? [] : ['--set-string', `${value}=${name}`]
  })
}
