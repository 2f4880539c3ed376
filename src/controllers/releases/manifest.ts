import { parseAllDocuments, type Tags } from 'yaml'
import type { KubeObject } from '../../api/object.ts'
import type { ReleaseName } from './helm.ts'

/** An object of a manifest. */
export interface ManifestObject extends KubeObject {
  readonly apiVersion: string
  readonly kind: string
}

/**
 * The objects of a release's manifest, with the marks by which helm knows its own: with them a later release of that name takes over what
 * was put back. Throws TypeError where the text holds something else.
 */
export function manifestObjects(
  manifest: string,
  { name, namespace }: ReleaseName,
): readonly ManifestObject[] {
  return parseAllDocuments(manifest, { version: '1.1', customTags: likeGo }).flatMap(document => {
    if (document.errors[0]) throw new TypeError('the manifest is no YAML', { cause: document.errors[0] })
    const object: unknown = document.toJS()
    if (object === null) return []
    if (!isObject(object)) throw new TypeError('the manifest has a document that is no object')
    const { labels, annotations } = object.metadata
    return {
      ...object,
      metadata: {
        ...object.metadata,
        labels: { ...labels, 'app.kubernetes.io/managed-by': 'Helm' },
        annotations: {
          ...annotations,
          'meta.helm.sh/release-name': name,
          'meta.helm.sh/release-namespace': namespace,
        },
      },
    }
  })
}

/** helm reads YAML 1.1 (`yes` is true, `0440` is octal) without its times and dates, which are strings. */
function likeGo(tags: Tags): Tags {
  return tags.filter(
    tag => typeof tag === 'string' || (tag.format !== 'TIME' && tag.tag !== 'tag:yaml.org,2002:timestamp'),
  )
}

function isObject(value: unknown): value is ManifestObject {
  if (typeof value !== 'object' || value === null) return false
  const { apiVersion, kind, metadata } = value as Partial<ManifestObject>
  return typeof apiVersion === 'string' && typeof kind === 'string' && typeof metadata?.name === 'string'
}
