import { describe, expect, it } from 'vitest'
import { manifestObjects } from './manifest.ts'

const release = { name: 'kf', namespace: 'n' }
const marks = {
  labels: { 'app.kubernetes.io/managed-by': 'Helm' },
  annotations: { 'meta.helm.sh/release-name': 'kf', 'meta.helm.sh/release-namespace': 'n' },
}

describe('manifestObjects', () => {
  it("reads every object and puts helm's marks on it", () => {
    const manifest = `---
# Source: c/templates/a.yaml
apiVersion: v1
kind: Service
metadata: {name: a, labels: {x: "yes"}}
---
# Source: c/templates/nothing.yaml
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: b, annotations: {note: text}}
spec: {strategy: {rollingUpdate: null}}
`
    expect(manifestObjects(manifest, release)).toEqual([
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { ...marks, name: 'a', labels: { x: 'yes', ...marks.labels } },
      },
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { ...marks, name: 'b', annotations: { note: 'text', ...marks.annotations } },
        spec: { strategy: { rollingUpdate: null } },
      },
    ])
    expect(manifestObjects('', release)).toEqual([])
  })

  it('reads scalars as helm does', () => {
    const scalars = '{a: y, b: no, c: 0440, d: 0x1F, e: 1:30, f: 2001-01-01, g: 1e3, h: ~}'
    const [object] = manifestObjects(
      `{apiVersion: v1, kind: A, metadata: {name: a}, spec: ${scalars}}`,
      release,
    )
    const spec = { a: true, b: false, c: 0o440, d: 31, e: '1:30', f: '2001-01-01', g: 1000, h: null }
    expect(object).toMatchObject({ spec })
  })

  it.each(['a', '- 1', '{kind: A}', '{apiVersion: v1, kind: A, metadata: {}}', '{'])('refuses %j', text => {
    expect(() => manifestObjects(text, release)).toThrow(TypeError)
  })
})
