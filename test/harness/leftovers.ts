import type { Cluster } from './cluster.ts'

/** Cluster-scoped kinds of the objects that an installation creates. */
const CLUSTER_KINDS =
  'customresourcedefinitions,namespaces,clusterroles,clusterrolebindings,validatingwebhookconfigurations'

/** Names of the cluster-scoped objects that an installation has left behind, with its namespace. */
export async function leftovers(cluster: Cluster): Promise<string[]> {
  const names = await cluster.kubectl(['get', CLUSTER_KINDS, '-o', 'name'])
  return names.split('\n').filter(name => /kube-?fledged/.test(name))
}
