import type { KubeObject } from '../harness/cluster.ts'
import type { BasicCredentials } from '../harness/registry.ts'

/** A Secret that kubelets pull with from one registry. */
export function pullSecretOf(
  metadata: { readonly namespace: string; readonly name: string },
  host: string,
  { username, password }: BasicCredentials,
): KubeObject {
  const auths = { [host]: { username, password } }
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata,
    type: 'kubernetes.io/dockerconfigjson',
    stringData: { '.dockerconfigjson': JSON.stringify({ auths }) },
  }
}
