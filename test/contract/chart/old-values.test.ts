import { describe, expect, it } from 'vitest'
import { binary } from '../../harness/binaries.ts'
import { run } from '../../harness/command.ts'
import { CHART } from '../../harness/helm.ts'

/** All values of the charts of kube-fledged 0.8 to 0.11, as in a values file. */
const OLD_VALUES = {
  controllerReplicaCount: 2,
  webhookServerReplicaCount: 2,
  controller: { hostNetwork: true, priorityClassName: 'important' },
  webhookServer: { enable: true, hostNetwork: true, priorityClassName: 'important' },
  image: {
    kubefledgedControllerRepository: 'example.com/controller',
    kubefledgedCRIClientRepository: 'example.com/cri-client',
    kubefledgedWebhookServerRepository: 'example.com/webhook-server',
    busyboxImageRepository: 'example.com/busybox',
    busyboxImageVersion: '1.38.0',
    pullPolicy: 'Always',
  },
  command: {
    kubefledgedControllerCommand: ['/opt/bin/kubefledged-controller'],
    kubefledgedWebhookServerCommand: ['/opt/bin/kubefledged-webhook-server'],
  },
  args: {
    controllerLogLevel: 'WARNING',
    controllerImagePullDeadlineDuration: '10m',
    controllerImageCacheRefreshFrequency: '0s',
    controllerImagePullPolicy: 'Always',
    controllerServiceAccountName: 'puller',
    controllerImageDeleteJobHostNetwork: true,
    controllerJobPriorityClassName: 'low',
    controllerJobRetentionPolicy: 'retain',
    controllerCRISocketPath: '/run/k3s/containerd/containerd.sock',
    controllerJobsMaxSurge: 50,
    webhookServerLogLevel: 'WARNING',
    webhookServerCertFile: '/var/run/secrets/webhook-server/tls.crt',
    webhookServerKeyFile: '/var/run/secrets/webhook-server/tls.key',
    webhookServerPort: 8443,
  },
  // a value without content
  validatingWebhookCABundle: null,
  imagePullSecrets: [{ name: 'pull' }],
  nameOverride: 'other',
  fullnameOverride: 'images',
  serviceAccount: { create: true, name: null },
  clusterRole: { create: true, name: null },
  clusterRoleBinding: { create: true, name: null },
  validatingWebhook: { create: true, name: null },
  secret: { name: null },
  podSecurityContext: { fsGroup: 2000 },
  securityContext: { runAsUser: 1000 },
  service: { type: 'ClusterIP', port: 80 },
  webhookService: { create: true, type: 'ClusterIP', port: 3443, targetPort: 8443, name: null },
  ingress: {
    enabled: false,
    annotations: {},
    hosts: [{ host: 'chart-example.local', paths: [] }],
    tls: [],
  },
  resources: { limits: { cpu: '1', memory: '256Mi' } },
  nodeSelector: { pool: 'system' },
  tolerations: [{ operator: 'Exists' }],
  affinity: { nodeAffinity: {} },
}

describe('values of older charts', () => {
  it('are accepted, all of them at once', async () => {
    const command = ['template', 'kube-fledged', CHART, '--values', '-'] as const
    const text = await run([binary('helm'), ...command], { input: JSON.stringify(OLD_VALUES) })
    expect(text).toContain('name: images-controller')
    expect(text).toContain('--jobs-max-surge=50')
    expect(text).not.toContain('null')
  })
})
