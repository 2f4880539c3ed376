import { namespaceOf } from '../../builders/namespace.ts'
import { binary } from '../../harness/binaries.ts'
import { run } from '../../harness/command.ts'
import { sharedApiServer } from '../shared-api-server.ts'
import { NAMESPACE, type Values } from './helm.ts'

/** An API server with all kinds of objects that the chart may contain. */

/** Foreign kinds, reduced to what an API server needs. */
const FOREIGN = [
  ['monitoring.coreos.com', 'v1', 'ServiceMonitor'],
  ['cert-manager.io', 'v1', 'Certificate'],
  ['cert-manager.io', 'v1', 'Issuer'],
] as const

/** kubectl as the administrator of the shared API server. */
export function kubectl(input: string, ...args: string[]): Promise<string> {
  return run([binary('kubectl'), '--kubeconfig', sharedApiServer().kubeconfig, ...args], { input })
}

/** The API server's response to manifests in a dry run. */
export function dryRun(manifests: string, ...args: string[]): Promise<string> {
  return kubectl(manifests, 'apply', '--server-side', '--dry-run=server', ...args, '-f', '-')
}

/** Creates the namespace, with warnings for Pods beyond the restricted level, and the foreign kinds. */
export async function prepare(): Promise<void> {
  const warn = { 'pod-security.kubernetes.io/warn': 'restricted' }
  const namespace = namespaceOf(NAMESPACE, warn)
  const items = [namespace, ...FOREIGN.map(([group, version, kind]) => definition(group, version, kind))]
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  await kubectl(list, 'apply', '--server-side', '-f', '-')
  const names = FOREIGN.map(([group, , kind]) => `crd/${kind.toLowerCase()}s.${group}`)
  await kubectl('', 'wait', '--for=condition=Established', '--timeout=30s', ...names)
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

/** Values with which the chart renders all its objects. */
export const EVERYTHING: Values = {
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
