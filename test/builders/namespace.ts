import type { KubeObject } from '../harness/cluster.ts'

/** A namespace with these labels. */
export function namespaceOf(name: string, labels: Readonly<Record<string, string>> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
}
