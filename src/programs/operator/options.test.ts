import { describe, expect, it } from 'vitest'
import { UsageError } from '../../base/usage-error.ts'
import { parseOperatorOptions } from './options.ts'

describe('parseOperatorOptions', () => {
  it('has defaults', () => {
    expect(parseOperatorOptions([], {})).toEqual({
      namespaces: [],
      reconcilePeriodMs: 60_000,
      chart: '/opt/charts/kube-fledged',
      helm: 'helm',
      kubeconfig: '',
      master: '',
      namespace: 'kube-fledged',
      leaderElect: true,
      metricsBindAddress: { port: 8081 },
      logLevel: 'info',
      warnings: [],
    })
  })

  it('takes namespaces from the environment: none are all', () => {
    const namespacesOf = (list: string) => parseOperatorOptions([], { WATCH_NAMESPACE: list })
    expect(namespacesOf('')).toMatchObject({ namespaces: [] })
    expect(namespacesOf('kube-fledged')).toMatchObject({ namespaces: ['kube-fledged'] })
    expect(namespacesOf('a, b,a')).toMatchObject({ namespaces: ['a', 'b'] })
    expect(() => namespacesOf('a,B_')).toThrow(
      new UsageError('InvalidValue', '--watch-namespace: "B_" is not a valid name of a namespace'),
    )
  })

  it('documents every flag', () => {
    const parsed = parseOperatorOptions(['--help'], {})
    expect('help' in parsed && parsed.help).toMatch(
      /--watch-namespace <names>.*--reconcile-period <duration>.*--chart/s,
    )
  })
})
