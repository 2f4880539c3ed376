import type { Cluster } from './cluster.ts'

/** Kinds outside any namespace of which an installation makes objects. */
const CLUSTER_KINDS =
  'customresourcedefinitions,namespaces,clusterroles,clusterrolebindings,validatingwebhookconfigurations'

/** Names of the objects that an installation has left behind outside of namespaces, its namespace included. */
export async function leftovers(cluster: Cluster): Promise<string[]> {
  const names = await cluster.kubectl(['get', CLUSTER_KINDS, '-o', 'name'])
  return names.split('\n').filter(name => /kube-?fledged/.test(name))
}
