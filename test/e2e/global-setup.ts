import { type Cluster, connectCluster } from '../harness/cluster.ts'
import { e2eClusters } from '../harness/e2e-clusters.ts'
import { leftovers } from '../harness/leftovers.ts'
import { make } from '../harness/make.ts'

/**
 * Installs the product on every cluster by the command that users type, and removes it by the other one;
 * what a removal leaves behind fails the run.
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
  const left = await leftovers(cluster)
  if (left.length > 0) {
    throw new Error(`make remove-kubefledged left behind: ${left.join(', ')}`)
  }
}
