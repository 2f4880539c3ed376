import { parseAllDocuments, type Tags } from 'yaml'
import type { KubeObject } from '../../api/object.ts'
import type { ReleaseName } from './helm.ts'

/** An object of a manifest. */
export interface ManifestObject extends KubeObject {
  readonly apiVersion: string
  readonly kind: string
}

/**
 * The objects of a release's manifest, with the labels and annotations by which helm recognizes its objects.
 * With them, a later release of the same name can adopt a restored object.
 * Throws TypeError where the text is not a manifest.
 */
export function manifestObjects(
  manifest: string,
  { name, namespace }: ReleaseName,
): readonly ManifestObject[] {
  return parseAllDocuments(manifest, { version: '1.1', customTags: likeGo }).flatMap(document => {
    if (document.errors[0])
      throw new TypeError('the manifest is not valid YAML', { cause: document.errors[0] })
    const object: unknown = document.toJS()
    if (object === null) return []
    if (!isObject(object)) throw new TypeError('the manifest has a document that is not an object')
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

/** Helm reads YAML 1.1 (`yes` is true, `0440` is octal), but reads times and dates as strings. */
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
