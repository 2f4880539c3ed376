import { join } from 'node:path'
import { ROOT } from './cluster-env.ts'
import type { Cluster } from './cluster.ts'
import { run } from './command.ts'
import { imageNames } from './make.ts'

/** The chart, at its path in kube-fledged. */
export const CHART = join(ROOT, 'deploy/kubefledged-operator/helm-charts/kubefledged')

/** The chart value of each image variable. */
const VALUES = {
  CONTROLLER_IMAGE_REPO: 'image.kubefledgedControllerRepository',
  WEBHOOK_SERVER_IMAGE_REPO: 'image.kubefledgedWebhookServerRepository',
  CRI_CLIENT_IMAGE_REPO: 'image.kubefledgedCRIClientRepository',
  BUSYBOX_IMAGE_REPO: 'image.busyboxImageRepository',
  RELEASE_VERSION: 'image.tag',
} as const

/**
 * Runs the real helm for this cluster and returns its standard output.
 *
 * @throws HarnessError `CommandFailed` with helm's error text.
 */
export function helm(cluster: Cluster, ...args: string[]): Promise<string> {
  return run(['helm', ...args], {
    timeoutMs: 240_000,
    path: cluster.isLocal ? [cluster.local.bin] : [],
    env: { KUBECONFIG: cluster.kubeconfig },
  })
}

/** Arguments for the chart with the images that were built for this cluster. */
export async function imageArguments(cluster: Cluster): Promise<string[]> {
  const names: Partial<Record<string, string>> = await imageNames(cluster)
  return Object.entries(VALUES).flatMap(([variable, value]) => {
    const name = names[variable]
    return name === undefined ? [] : ['--set-string', `${value}=${name}`]
  })
}
