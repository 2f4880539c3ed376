import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from '../harness/cluster-env.ts'
import { type Cluster, connectCluster } from '../harness/cluster.ts'
import { run } from '../harness/command.ts'
import { HarnessError } from '../harness/errors.ts'

/** Kinds outside any namespace of which an installation makes objects. */
const CLUSTER_KINDS = 'customresourcedefinitions,namespaces,clusterroles,clusterrolebindings'
/** Names of the images to install; those of the local cluster are in the file that `make cluster-images` wrote. */
const IMAGE_VARIABLES = ['CONTROLLER_IMAGE_REPO', 'BUSYBOX_IMAGE_REPO', 'RELEASE_VERSION'] as const

/**
 * Installs the product by the command that users type, and removes it by the other one; what a removal leaves behind
 * fails the run.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const cluster = await connectCluster()
  const images = await imageNames(cluster)
  await make(cluster, 'deploy-using-yaml', images)
  return async () => {
    await make(cluster, 'remove-kubefledged', images)
    const names = await cluster.kubectl(['get', CLUSTER_KINDS, '-o', 'name'])
    const left = names.split('\n').filter(name => /kube-?fledged/.test(name))
    if (left.length > 0) {
      throw new Error(`make remove-kubefledged left behind: ${left.join(', ')}`)
    }
  }
}

async function make(cluster: Cluster, target: string, env: Record<string, string>): Promise<void> {
  await run(['make', '--no-print-directory', '-C', ROOT, target], {
    timeoutMs: 300_000,
    env: {
      ...env,
      KUBECONFIG: cluster.kubeconfig,
      ...(cluster.isLocal && { KUBECTL: join(cluster.local.bin, 'kubectl') }),
    },
  })
}

async function imageNames(cluster: Cluster): Promise<Record<string, string>> {
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
      if (!value) throw new HarnessError('ClusterNotConfigured', `${file} has no ${name}`)
      return [name, value]
    }),
  )
}
