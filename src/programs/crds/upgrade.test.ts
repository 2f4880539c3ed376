import { describe, expect, it } from 'vitest'
import { imageCacheCrd } from '../../api/crd.ts'
import { isEstablished, newDefinition, upgradedDefinition } from './upgrade.ts'

const name = 'imagecaches.kubefledged.io'
const old = {
  metadata: { name, uid: '1', labels: { app: 'theirs', team: 'a' }, annotations: { note: 'n' } },
  spec: {
    versions: [
      { name: 'v1alpha2', storage: true, served: true, schema: { left: 'over' } },
      { name: 'v1alpha3', storage: false, served: true },
      { name: 'v1alpha1', storage: false, served: false },
    ],
  },
  status: { storedVersions: ['v1alpha3', 'v1alpha2'] },
}

describe('upgradedDefinition', () => {
  it('is our specification, without anything of the old schema', () => {
    const { spec } = upgradedDefinition({ ...old, status: { storedVersions: ['v1alpha2'] } }, imageCacheCrd)
    expect(spec).toEqual(imageCacheCrd.spec)
  })

  it('keeps a version in which objects may be stored, and stores in ours', () => {
    const { versions } = upgradedDefinition(old, imageCacheCrd).spec
    expect(versions.map(version => [version.name, version.storage])).toEqual([
      ['v1alpha2', true],
      ['v1alpha3', false],
    ])
  })

  it('keeps identity, labels and annotations, and prevents deletion by Helm', () => {
    expect(upgradedDefinition(old, imageCacheCrd).metadata).toEqual({
      name,
      uid: '1',
      labels: { team: 'a', ...imageCacheCrd.metadata.labels },
      annotations: { note: 'n', 'helm.sh/resource-policy': 'keep' },
    })
    expect(newDefinition(imageCacheCrd).metadata).toHaveProperty('annotations', {
      'helm.sh/resource-policy': 'keep',
    })
  })

  it('changes nothing the second time', () => {
    const once = upgradedDefinition(old, imageCacheCrd)
    expect(upgradedDefinition(once, imageCacheCrd)).toEqual(once)
  })
})

describe('isEstablished', () => {
  it.each([
    [undefined, false],
    [[{ type: 'Established', status: 'False' }], false],
    [[{ type: 'NamesAccepted', status: 'True' }], false],
    [[{ type: 'Established', status: 'True' }], true],
  ])('%j: %s', (conditions, expected) => {
    expect(isEstablished({ ...old, status: { ...(conditions && { conditions }) } })).toBe(expected)
  })
})
