import { describe, expect, it } from 'vitest'
import { imageCacheCrd, nodeImagesCrd, type CustomResourceDefinition } from './crd.ts'
import type { StructuralSchema } from './structural.ts'

function schemaOf(crd: CustomResourceDefinition): StructuralSchema {
  const schema = crd.spec.versions[0]?.schema.openAPIV3Schema
  if (!schema) throw new Error('no schema')
  return schema
}

/** Each node of a schema with its path. `[]` is an item of a list, `{}` a value of a map. */
function nodes(schema: StructuralSchema, path = ''): [string, StructuralSchema][] {
  return [
    [path, schema],
    ...Object.entries(schema.properties ?? {}).flatMap(([key, child]) => nodes(child, `${path}.${key}`)),
    ...(schema.items ? nodes(schema.items, `${path}[]`) : []),
    ...(schema.additionalProperties ? nodes(schema.additionalProperties, `${path}{}`) : []),
  ]
}

function at(schema: StructuralSchema, path: string): StructuralSchema {
  const found = nodes(schema).find(([name]) => name === path)
  if (!found) throw new Error(`no ${path}`)
  return found[1]
}

describe.each([imageCacheCrd, nodeImagesCrd])('$metadata.name', crd => {
  const all = nodes(schemaOf(crd))

  it('is structural: every node has a type and only keywords that a CRD may have', () => {
    const allowed = [
      'type',
      'format',
      'description',
      'properties',
      'additionalProperties',
      'items',
      'required',
      'enum',
      'maxLength',
      'pattern',
      'x-kubernetes-int-or-string',
      'x-kubernetes-list-map-keys',
      'x-kubernetes-list-type',
      'x-kubernetes-map-type',
      'x-kubernetes-validations',
    ]
    expect(all.length).toBeGreaterThan(20)
    for (const [path, node] of all) {
      expect(node['x-kubernetes-int-or-string'] === true ? '' : node.type, path).toBeTypeOf('string')
      expect(
        Object.keys(node).filter(key => !allowed.includes(key)),
        path,
      ).toEqual([])
      expect(node.properties && node.additionalProperties, path).toBeUndefined()
    }
  })

  it('requires only declared fields, such as list-map keys', () => {
    for (const [path, node] of all) {
      for (const name of node.required ?? []) expect(node.properties, path).toHaveProperty(name)
      const keys = node['x-kubernetes-list-map-keys']
      if (keys !== undefined)
        expect(node.items?.required, path).toEqual(expect.arrayContaining(keys as string[]))
    }
  })

  it('has one version, served and stored', () => {
    expect(crd.spec.versions).toHaveLength(1)
    expect(crd.spec.versions[0]).toMatchObject({ name: 'v1alpha2', served: true, storage: true })
  })
})

describe('the status subresource', () => {
  it('keeps authors of caches away from the status, and lets one write change plan and ledger', () => {
    expect(imageCacheCrd.spec.versions[0]?.subresources).toEqual({ status: {} })
    expect(nodeImagesCrd.spec.versions[0]?.subresources).toBeUndefined()
  })
})

describe('imagecaches.kubefledged.io', () => {
  const schema = schemaOf(imageCacheCrd)

  it('keeps every field of kube-fledged with its type, and requires no more of it', () => {
    const string = { type: 'string' }
    const time = { type: 'string', format: 'date-time' }
    const old: Record<string, object> = {
      '.spec': { type: 'object', required: ['cacheSpec'] },
      '.spec.cacheSpec': { type: 'array' },
      '.spec.cacheSpec[]': { type: 'object', required: ['images'] },
      '.spec.cacheSpec[].images': { type: 'array' },
      '.spec.cacheSpec[].images[]': string,
      '.spec.cacheSpec[].nodeSelector': { type: 'object' },
      '.spec.cacheSpec[].nodeSelector{}': string,
      '.spec.imagePullSecrets': { type: 'array' },
      '.spec.imagePullSecrets[]': { type: 'object', 'x-kubernetes-map-type': 'atomic' },
      '.spec.imagePullSecrets[].name': string,
      '.status': { type: 'object' },
      '.status.status': string,
      '.status.reason': string,
      '.status.message': string,
      '.status.failures': { type: 'object' },
      '.status.failures{}': { type: 'array' },
      '.status.failures{}[]': { type: 'object', required: ['node', 'reason', 'message'] },
      '.status.failures{}[].node': string,
      '.status.startTime': time,
      '.status.completionTime': time,
    }
    expect(schema.required).toEqual(['spec'])
    for (const [path, expected] of Object.entries(old)) {
      const {
        description: _,
        properties: _p,
        items: _i,
        additionalProperties: _a,
        ...rules
      } = at(schema, path)
      expect(rules, path).toEqual(expected)
    }
  })

  it('has the rules of new fields, and no unwanted bound', () => {
    expect(at(schema, '.spec.pullPolicy').enum).toEqual(['IfNotPresent', 'Always'])
    expect(at(schema, '.spec.pullDeadline')['x-kubernetes-validations']).toEqual([
      expect.objectContaining({ message: 'must be a duration such as 90s, 5m or 1h30m' }),
    ])
    expect(at(schema, '.status.observedGeneration')).toEqual({ type: 'integer', format: 'int64' })
    expect(at(schema, '.status.moreImages')).toMatchObject({ type: 'integer', format: 'int32' })
    expect(at(schema, '.status.conditions')['x-kubernetes-list-map-keys']).toEqual(['type'])
  })

  it('keeps the names that people type', () => {
    expect(imageCacheCrd.spec).toMatchObject({
      group: 'kubefledged.io',
      scope: 'Namespaced',
      names: {
        plural: 'imagecaches',
        singular: 'imagecache',
        shortNames: ['ic'],
        listKind: 'ImageCacheList',
      },
    })
    const columns = imageCacheCrd.spec.versions[0]?.additionalPrinterColumns ?? []
    const plain = columns.filter(column => column.priority === undefined)
    expect(plain.map(column => column.name)).toEqual(['Status', 'Images', 'Nodes', 'Age'])
  })
})
