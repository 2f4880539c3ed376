import type { CustomResourceDefinition } from '../../api/crd.ts'
import type { KubeObject } from '../../api/object.ts'

/** apiextensions.k8s.io/v1 CustomResourceDefinition as the API server holds it, whoever made it. */
export interface StoredDefinition extends KubeObject {
  readonly spec: {
    readonly versions: readonly { readonly name: string; readonly storage: boolean }[]
  }
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
    readonly storedVersions?: readonly string[]
  }
}

/** Makes Helm leave a definition alone that an older chart had among its own objects. */
const KEEP = { 'helm.sh/resource-policy': 'keep' }

/** The definition as it is made where there is none. */
export function newDefinition(wanted: CustomResourceDefinition): KubeObject & CustomResourceDefinition {
  return { ...wanted, metadata: { ...wanted.metadata, annotations: KEEP } }
}

/**
 * The definition that takes the place of an older one: our specification, nothing of the old one's schema. Labels and annotations of others
 * stay, and so does a version that objects may still be stored in, without which the API server refuses the definition.
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

/** Whether objects of the definition can be written. */
export function isEstablished(stored: StoredDefinition): boolean {
  return (stored.status?.conditions ?? []).some(
    ({ type, status }) => type === 'Established' && status === 'True',
  )
}
