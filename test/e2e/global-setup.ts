import { connectCluster } from '../harness/cluster.ts'
import { make } from '../harness/make.ts'

/** Kinds outside any namespace of which an installation makes objects. */
const CLUSTER_KINDS =
  'customresourcedefinitions,namespaces,clusterroles,clusterrolebindings,validatingwebhookconfigurations'

/**
 * Installs the product by the command that users type, and removes it by the other one; what a removal leaves behind
 * fails the run.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const cluster = await connectCluster()
  await make(cluster, 'deploy-using-yaml')
  return async () => {
    await make(cluster, 'remove-kubefledged')
    const names = await cluster.kubectl(['get', CLUSTER_KINDS, '-o', 'name'])
    const left = names.split('\n').filter(name => /kube-?fledged/.test(name))
    if (left.length > 0) {
      throw new Error(`make remove-kubefledged left behind: ${left.join(', ')}`)
    }
  }
}
