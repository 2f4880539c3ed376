import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from './cluster-env.ts'
import type { Cluster } from './cluster.ts'
import { run } from './command.ts'
import { HarnessError } from './errors.ts'

/** Names of the images to install. For the local cluster they are in a file of `make cluster-images`. */
const IMAGE_VARIABLES = [
  'CONTROLLER_IMAGE_REPO',
  'WEBHOOK_SERVER_IMAGE_REPO',
  'CRI_CLIENT_IMAGE_REPO',
  'OPERATOR_IMAGE_REPO',
  'BUSYBOX_IMAGE_REPO',
  'RELEASE_VERSION',
] as const

/** Runs a make target on this cluster, with the images that were built for it. */
export async function make(cluster: Cluster, target: string): Promise<string> {
  return run(['make', '--no-print-directory', '-C', ROOT, target], {
    timeoutMs: 300_000,
    env: {
      ...(await imageNames(cluster)),
      KUBECONFIG: cluster.kubeconfig,
      ...(cluster.isLocal && { KUBECTL: join(cluster.local.bin, 'kubectl') }),
    },
  })
}

/** Variables with the images that were built for this cluster. */
export async function imageNames(cluster: Cluster): Promise<Record<string, string>> {
  if (!cluster.isLocal) {
    return Object.fromEntries(
      IMAGE_VARIABLES.flatMap(name => (process.env[name] ? [[name, process.env[name]]] : [])),
    )
  }
  const file = join(cluster.local.data, 'images')
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    const message = `${file} is missing; run \`make cluster-images\``
    throw new HarnessError('ClusterNotConfigured', message, { cause })
  })
  return Object.fromEntries(
    IMAGE_VARIABLES.map(name => {
      const value = new RegExp(`^${name}=(.+)$`, 'm').exec(text)?.[1]
      if (!value)
        throw new HarnessError('ClusterNotConfigured', `${file} has no ${name}; run \`make cluster-images\``)
      return [name, value]
    }),
  )
}
