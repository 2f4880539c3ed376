import { connectCluster } from '../harness/cluster.ts'
import { leftovers } from '../harness/leftovers.ts'
import { make } from '../harness/make.ts'

/**
 * Installs the product by the command that users type, and removes it by the other one; what a removal leaves behind
 * fails the run.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const cluster = await connectCluster()
  await make(cluster, 'deploy-using-yaml')
  return async () => {
    await make(cluster, 'remove-kubefledged')
    const left = await leftovers(cluster)
    if (left.length > 0) {
      throw new Error(`make remove-kubefledged left behind: ${left.join(', ')}`)
    }
  }
}
