import { beforeAll, describe, expect, inject, it } from 'vitest'
import { binary } from '../../harness/binaries.ts'
import { run } from '../../harness/command.ts'
import { NAMESPACE, render, type Values } from './helm.ts'

/** What the chart makes is what an API server takes, and Pod Security restricted too. */

/** Kinds that others bring, as far as an API server has to know them. */
const FOREIGN = [
  ['monitoring.coreos.com', 'v1', 'ServiceMonitor'],
  ['cert-manager.io', 'v1', 'Certificate'],
  ['cert-manager.io', 'v1', 'Issuer'],
] as const

function kubectl(input: string, ...args: string[]): Promise<string> {
  return run([binary('kubectl'), '--kubeconfig', inject('apiServer').kubeconfig, ...args], { input })
}

/** A warning, as of Pod Security, is an error. */
const STRICT = '--warnings-as-errors'

function dryRun(manifests: string, ...args: string[]): Promise<string> {
  return kubectl(manifests, 'apply', '--server-side', '--dry-run=server', ...args, '-f', '-')
}

function definition(group: string, version: string, kind: string): object {
  const singular = kind.toLowerCase()
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${singular}s.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, singular, plural: `${singular}s` },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  }
}

beforeAll(async () => {
  const warn = { 'pod-security.kubernetes.io/warn': 'restricted' }
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels: warn } }
  const items = [namespace, ...FOREIGN.map(([group, version, kind]) => definition(group, version, kind))]
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  await kubectl(list, 'apply', '--server-side', '-f', '-')
  const names = FOREIGN.map(([group, , kind]) => `crd/${kind.toLowerCase()}s.${group}`)
  await kubectl('', 'wait', '--for=condition=Established', '--timeout=30s', ...names)
})

describe('manifests of the chart', () => {
  const everything: Values = {
    controllerReplicaCount: 2,
    webhookServerReplicaCount: 2,
    'certManager.enable': true,
    'serviceMonitor.enable': true,
    'networkPolicy.enable': true,
    'networkPolicy.metricsFrom': [{ namespaceSelector: {} }],
    'ingress.enabled': true,
    'ingress.tls': [{ secretName: 't', hosts: ['chart-example.local'] }],
    'podDisruptionBudget.maxUnavailable': '50%',
    validatingWebhookCABundle: Buffer.from('CA').toString('base64'),
    imagePullSecrets: [{ name: 'pull' }],
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    tolerations: [{ operator: 'Exists' }],
    affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
    podSecurityContext: { fsGroup: 77 },
    'controller.extraArgs': ['--v=4'],
    'controller.extraEnv': [{ name: 'A', value: 'b' }],
    'controller.podLabels': { a: 'b' },
    'controller.podAnnotations': { a: 'b' },
    'webhookServer.priorityClassName': 'important',
    'controller.priorityClassName': 'important',
    'args.controllerJobsMaxSurge': 5,
    'serviceAccount.name': 'mine',
    'clusterRole.name': 'mine',
    'secret.name': 'given',
  }

  it.each<{ name: string; values: Values }>([
    { name: 'the defaults', values: {} },
    { name: 'everything', values: everything },
    { name: 'no webhook server', values: { 'webhookServer.enable': false } },
    { name: 'nothing created', values: { 'serviceAccount.create': false, 'clusterRole.create': false } },
  ])('$name', async ({ values }) => {
    const applied = await dryRun(await render(values), STRICT)
    expect(applied).toMatch(/^deployment.apps\/\S+-controller serverside-applied/m)
  })

  // There is a warning that such a Deployment's Pods get shortened names.
  it.each<{ name: string; values: Values; release: string }>([
    { name: 'a release', values: {}, release: 'r'.repeat(53) },
    { name: 'objects', values: { fullnameOverride: 'f'.repeat(63) }, release: 'kf' },
  ])('take the longest name of $name', async ({ values, release }) => {
    const applied = await dryRun(await render(values, release))
    expect(applied).toMatch(/^deployment.apps\/\S+-controller serverside-applied/m)
    const names = [...applied.matchAll(/^service\/(\S+)/gm)].map(([, name]) => name)
    expect(new Set(names).size).toBe(2)
  })

  it('takes no low port and no second Pod of a node with host networking', async () => {
    const values = { 'controller.hostNetwork': true, 'webhookServer.hostNetwork': true }
    const manifests = await render(values)
    expect(manifests).not.toContain('ip_unprivileged_port_start')
    expect(manifests).toContain('--port=10443')
    expect(manifests.match(/type: Recreate\n/g)).toHaveLength(2)
    const two = await render({ ...values, controllerReplicaCount: 2, webhookServerReplicaCount: 2 })
    expect(two.match(/maxSurge: 0\n/g)).toHaveLength(2)
    // Host networking is not restricted; all else of it is right.
    await expect(dryRun(manifests, STRICT)).rejects.toThrow(
      /^(?!.*(rror from server|is invalid)).*host namespaces/s,
    )
  })

  it('selects Pods by the labels of kube-fledged, which cannot be changed', async () => {
    const manifests = await render({}, 'kf')
    for (const component of ['controller', 'webhook-server']) {
      expect(manifests).toContain(`kind: Deployment
metadata:
  name: kf-kube-fledged-${component}
`)
      expect(manifests).toContain(`    matchLabels:
      app.kubernetes.io/name: kube-fledged
      app.kubernetes.io/instance: kf
      app.kubernetes.io/part-of: kf-${component}
  template:`)
    }
  })
})
