import { HarnessError } from './errors.ts'

/**
 * The clusters that end-to-end tests use at once, each as the environment that chooses it: one for each
 * folder that `E2E_CLUSTER_DIRS` names (colons between them), else the one that the environment chooses
 * anyway. A test file has a cluster to itself as long as it runs, so as many files run at once as there are
 * clusters.
 */
export function e2eClusters(variables: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv[] {
  const folders = variables.E2E_CLUSTER_DIRS?.split(':').filter(Boolean) ?? []
  if (variables.E2E_KUBECONFIG || folders.length === 0) return [variables]
  return folders.map(folder => ({ ...variables, CLUSTER_DIR: folder }))
}

/**
 * The cluster of the vitest worker that asks. Workers have the numbers from 1 on; no two that run at once
 * have the same.
 *
 * @throws HarnessError `ClusterNotConfigured` where there are more workers than clusters.
 */
export function clusterOfWorker(variables: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const clusters = e2eClusters(variables)
  const worker = Number(variables.VITEST_POOL_ID)
  const chosen = clusters[worker - 1]
  if (chosen) return chosen
  throw new HarnessError(
    'ClusterNotConfigured',
    `worker ${worker} has no cluster: there are ${clusters.length}; run vitest with --maxWorkers=${clusters.length}`,
  )
}
