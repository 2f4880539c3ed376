import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { ROOT } from '../../harness/cluster-env.ts'
import { render, type Values } from './helm.ts'

/** Node selection and pull policy of the Pods of kube-fledged, from the chart and from the manifests. */

interface PodSpec {
  readonly nodeSelector?: Readonly<Record<string, string>>
  readonly affinity?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly containers: readonly { readonly image: string; readonly imagePullPolicy?: string }[]
}

interface Workload {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: PodSpec & { readonly template?: { readonly spec: PodSpec } }
}

/** The Pods of manifests, by kind and name. */
function podsOf(manifests: string): Readonly<Record<string, PodSpec>> {
  const objects = parseAllDocuments(manifests).map(document => document.toJS() as Workload | null)
  return Object.fromEntries(
    objects.flatMap(object => {
      const pod = object?.kind === 'Pod' ? object.spec : object?.spec?.template?.spec
      return object && pod ? [[`${object.kind} ${object.metadata.name}`, pod]] : []
    }),
  )
}

const podsOfChart = async (values?: Values) => podsOf(await render(values))

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution'
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution'
const ARCHITECTURES = {
  nodeSelectorTerms: [
    { matchExpressions: [{ key: 'kubernetes.io/arch', operator: 'In', values: ['amd64', 'arm64'] }] },
  ],
}
const CHART_PODS = [
  'Deployment kube-fledged-controller',
  'Deployment kube-fledged-webhook-server',
  'Job kube-fledged-crds',
  'Job kube-fledged-release-caches',
  'Pod kube-fledged-test',
]

function expectPlaced(pod: PodSpec | undefined, name: string): void {
  expect(pod?.nodeSelector, name).toMatchObject({ 'kubernetes.io/os': 'linux' })
  expect(pod?.affinity?.['nodeAffinity']?.[REQUIRED], name).toEqual(ARCHITECTURES)
}

describe('Pods of the chart', () => {
  it('run on Linux and on the architectures of the images only', async () => {
    const pods = await podsOfChart()
    expect(Object.keys(pods).sort()).toEqual(CHART_PODS)
    for (const [name, pod] of Object.entries(pods)) expectPlaced(pod, name)
  })

  it('keep this rule when values add to it', async () => {
    const affinity = { nodeAffinity: { [PREFERRED]: [] }, podAffinity: { [PREFERRED]: [] } }
    const pods = await podsOfChart({ nodeSelector: { pool: 'system' }, affinity })
    for (const [name, pod] of Object.entries(pods)) {
      expectPlaced(pod, name)
      expect(pod.nodeSelector, name).toMatchObject({ pool: 'system' })
      expect(pod.affinity, name).toMatchObject(affinity)
    }
    const apart = (found: typeof pods) =>
      found['Deployment kube-fledged-webhook-server']?.affinity?.['podAntiAffinity']?.[PREFERRED]
    expect(apart(pods), 'replicas stay apart').toHaveLength(1)
    const together = await podsOfChart({ affinity: { podAntiAffinity: { [PREFERRED]: [] } } })
    expect(apart(together)).toEqual([])
  })

  it('run elsewhere when values replace the rule', async () => {
    const other = { nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'Exists' }] }] }
    const values = { affinity: { nodeAffinity: { [REQUIRED]: other } } }
    const pods = await podsOfChart({ ...values, nodeSelector: { 'kubernetes.io/os': 'other' } })
    for (const [name, pod] of Object.entries(pods)) {
      expect(pod.nodeSelector, name).toEqual({ 'kubernetes.io/os': 'other' })
      expect(pod.affinity?.['nodeAffinity'], name).toEqual({ [REQUIRED]: other })
    }
  })

  const digest = `sha256:${'ab'.repeat(32)}`
  it.each<{ values: Values; policy: string }>([
    { values: {}, policy: 'IfNotPresent' },
    { values: { 'image.tag': 'v1.2.3' }, policy: 'IfNotPresent' },
    { values: { 'image.tag': '1.2.3-rc.1' }, policy: 'IfNotPresent' },
    { values: { 'image.tag': 'latest' }, policy: 'Always' },
    { values: { 'image.tag': 'main' }, policy: 'Always' },
    { values: { 'image.tag': 'v1.2' }, policy: 'Always' },
    { values: { 'image.tag': 'v1.2.3', 'image.pullPolicy': 'Always' }, policy: 'Always' },
    { values: { 'image.tag': 'latest', 'image.pullPolicy': 'Never' }, policy: 'Never' },
    {
      values: {
        'image.tag': 'latest',
        'image.kubefledgedControllerDigest': digest,
        'image.kubefledgedWebhookServerDigest': digest,
      },
      policy: 'IfNotPresent',
    },
  ])('are pulled $policy with $values', async ({ values, policy }) => {
    const pods = await podsOfChart(values)
    expect(Object.keys(pods)).toHaveLength(CHART_PODS.length)
    for (const [name, { containers }] of Object.entries(pods)) {
      expect(
        containers.map(({ imagePullPolicy }) => imagePullPolicy),
        name,
      ).toEqual([policy])
    }
  })
})

describe('Pods of the manifests', () => {
  it.each([
    'kubefledged-deployment-controller.yaml',
    'kubefledged-deployment-webhook-server.yaml',
    'kubefledged-operator/deploy/operator.yaml',
  ])('%s: run and are pulled as those of the chart', async file => {
    const pods = Object.entries(podsOf(await readFile(join(ROOT, 'deploy', file), 'utf8')))
    expect(pods).toHaveLength(1)
    for (const [name, pod] of pods) {
      expectPlaced(pod, name)
      expect(pod.containers.map(({ imagePullPolicy }) => imagePullPolicy)).toEqual(['IfNotPresent'])
    }
  })
})
