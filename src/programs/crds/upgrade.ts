import type { CustomResourceDefinition } from '../../api/crd.ts'
import type { KubeObject } from '../../api/object.ts'

/** apiextensions.k8s.io/v1 CustomResourceDefinition, as stored by any writer. */
export interface StoredDefinition extends KubeObject {
  readonly spec: {
    readonly versions: readonly { readonly name: string; readonly storage: boolean }[]
  }
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
    readonly storedVersions?: readonly string[]
  }
}

/** Keeps Helm from deleting a definition that an older chart contained. */
const KEEP = { 'helm.sh/resource-policy': 'keep' }

/** The definition to create when there is none. */
export function newDefinition(wanted: CustomResourceDefinition): KubeObject & CustomResourceDefinition {
  return { ...wanted, metadata: { ...wanted.metadata, annotations: KEEP } }
}

/**
 * The definition that replaces an older one. It has our specification and nothing of the old schema. Foreign
 * labels and annotations stay. A version in which objects may be stored also stays, because the API server
 * rejects a definition without it.
 */
export function upgradedDefinition(
  stored: StoredDefinition,
  wanted: CustomResourceDefinition,
): StoredDefinition {
  const ours = new Set(wanted.spec.versions.map(version => version.name))
  const inUse = new Set(stored.status?.storedVersions)
  const kept = stored.spec.versions
    .filter(version => inUse.has(version.name) && !ours.has(version.name))
    .map(version => ({ ...version, storage: false }))
  const { labels, annotations } = stored.metadata
  return {
    ...stored,
    metadata: {
      ...stored.metadata,
      labels: { ...labels, ...wanted.metadata.labels },
      annotations: { ...annotations, ...KEEP },
    },
    spec: { ...wanted.spec, versions: [...wanted.spec.versions, ...kept] },
  }
}

/** True when objects of the definition can be written. */
export function isEstablished(stored: StoredDefinition): boolean {
  return (stored.status?.conditions ?? []).some(
    ({ type, status }) => type === 'Established' && status === 'True',
  )
}
