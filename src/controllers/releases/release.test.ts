import { describe, expect, it } from 'vitest'
import { HelmError } from './helm-error.ts'
import {
  begunAt,
  isDeployed,
  isPending,
  parseChartName,
  parseRelease,
  type Release,
  revisionOf,
  storedAs,
} from './release.ts'

const hook = { path: 'c/templates/h.yaml', name: 'h', manifest: 'kind: Job\n' }
const release: Release = {
  name: 'kf',
  namespace: 'n',
  version: 3,
  info: { status: 'deployed' },
  config: { a: { b: 1, c: null } },
  manifest: 'kind: Deployment\n',
  hooks: [hook, { ...hook, name: 'other' }],
}
/** As a dry run answers it. */
const planned: Release = {
  ...release,
  version: 4,
  info: { status: 'pending-upgrade', description: 'Dry run complete' },
}

describe('isDeployed', () => {
  it('holds for the same values, manifest and hooks, whatever the order of these', () => {
    expect(isDeployed(release, { ...planned, hooks: [...(release.hooks ?? [])].reverse() })).toBe(true)
    expect(isDeployed({ ...release, config: null }, { ...planned, config: {} })).toBe(true)
  })

  it.each<[string, Partial<Release>]>([
    ['values', { config: { a: { b: 2, c: null } } }],
    ['a manifest', { manifest: 'kind: Service\n' }],
    ['hooks', { hooks: [hook] }],
  ])('does not for other %s', (_, other) => {
    expect(isDeployed(release, { ...planned, ...other })).toBe(false)
  })

  it.each(['failed', 'superseded', 'uninstalled', 'pending-upgrade', 'unknown'])(
    'does not for one that is %s',
    status => {
      expect(isDeployed({ ...release, info: { status } }, planned)).toBe(false)
    },
  )
})

describe('isPending', () => {
  it.each([
    ['pending-install', true],
    ['pending-upgrade', true],
    ['pending-rollback', true],
    ['deployed', false],
    ['failed', false],
    ['uninstalling', false],
  ])('%s: %s', (status, expected) => {
    expect(isPending({ ...release, info: { status } })).toBe(expected)
  })
})

describe('begunAt', () => {
  it.each([
    ['2026-01-02T03:04:05.678912345+01:00', Date.UTC(2026, 0, 2, 2, 4, 5, 678)],
    ['', undefined],
    [undefined, undefined],
  ])('%s: %s', (time, expected) => {
    const info = { status: 'deployed', ...(time !== undefined && { last_deployed: time }) }
    expect(begunAt({ ...release, info })).toBe(expected)
  })
})

describe('revisionOf', () => {
  it('tells revisions of one number apart', () => {
    const at = (time: string) => revisionOf({ ...release, info: { status: 'deployed', last_deployed: time } })
    expect(at('2026-01-02T03:04:05Z')).not.toBe(at('2026-01-02T03:04:06Z'))
    expect(at('2026-01-02T03:04:05Z')).toBe(at('2026-01-02T03:04:05Z'))
  })
})

describe('parseRelease', () => {
  it('reads a release with what else helm prints left out', () => {
    expect(parseRelease(JSON.stringify({ ...release, chart: { files: [] } }))).toEqual(release)
    expect(storedAs(release)).toBe('sh.helm.release.v1.kf.v3')
  })

  it.each(['', 'no JSON', '{}', '[]'])('refuses %j', output => {
    expect(() => parseRelease(output)).toThrow(HelmError)
    expect(() => parseChartName(output)).toThrow(HelmError)
  })
})
