import { type Cluster, connectCluster } from '../harness/cluster.ts'
import { e2eClusters } from '../harness/e2e-clusters.ts'
import { make } from '../harness/make.ts'

/** Kinds outside any namespace of which an installation makes objects. */
const CLUSTER_KINDS =
  'customresourcedefinitions,namespaces,clusterroles,clusterrolebindings,validatingwebhookconfigurations'

/**
 * Installs the product on every cluster by the command that users type, and removes it by the other one; what a removal
 * leaves behind fails the run.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const clusters = await Promise.all(e2eClusters().map(variables => connectCluster(variables)))
  await Promise.all(clusters.map(cluster => make(cluster, 'deploy-using-yaml')))
  return async () => {
    await Promise.all(clusters.map(remove))
  }
}

async function remove(cluster: Cluster): Promise<void> {
  await make(cluster, 'remove-kubefledged')
  const names = await cluster.kubectl(['get', CLUSTER_KINDS, '-o', 'name'])
  const left = names.split('\n').filter(name => /kube-?fledged/.test(name))
  if (left.length > 0) {
    throw new Error(`make remove-kubefledged left behind: ${left.join(', ')}`)
  }
}
