import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { chartValues } from '../../../hack/chart-docs.ts'
import { CHART } from '../../harness/helm.ts'
import { render, type Values } from './helm.ts'

/** Each value of the chart changes its output. */

const DIGEST = `sha256:${'ab'.repeat(32)}`

/**
 * Path and value; a text that the output contains with the value and not without it (`gone`: the other way
 * round); further values that it needs.
 */
type Row = readonly [
  path: string,
  value: unknown,
  expected: string | { readonly gone: string },
  beside?: Values,
]

const component = (key: string): Row[] => [
  [`${key}.hostNetwork`, true, 'hostNetwork: true'],
  [`${key}.priorityClassName`, 'important', 'priorityClassName: "important"'],
  [`${key}.extraArgs`, ['--v=4'], '- "--v=4"'],
  [`${key}.extraEnv`, [{ name: 'NODE_OPTIONS', value: 'x' }], 'name: NODE_OPTIONS'],
  [`${key}.podLabels`, { team: 'a' }, 'team: a'],
  [`${key}.podAnnotations`, { note: 'b' }, 'note: b'],
  [`${key}.resources`, { limits: { cpu: '7' } }, 'cpu: "7"'],
  [`${key}.livenessProbe`, { failureThreshold: 77 }, 'failureThreshold: 77'],
  [`${key}.readinessProbe`, { periodSeconds: 78 }, 'periodSeconds: 78'],
]

const created = (key: string, gone: string): Row[] => [[`${key}.create`, false, { gone }]]

const ROWS: readonly Row[] = [
  ['global.imageRegistry', 'mirror.example', 'image: "mirror.example/kubefledged/kubefledged-controller:v'],
  ['controllerReplicaCount', 3, 'replicas: 3'],
  ['webhookServerReplicaCount', 4, 'replicas: 4'],
  ...component('controller'),
  ['controller.metricsPort', 9090, '--metrics-bind-address=:9090'],
  ...component('webhookServer'),
  ['webhookServer.enable', false, { gone: 'webhook-server' }],
  ['webhookServer.failurePolicy', 'Ignore', 'failurePolicy: Ignore'],
  ['webhookServer.timeoutSeconds', 9, 'timeoutSeconds: 9'],
  ['image.kubefledgedControllerRepository', 'example.com/c', 'image: "example.com/c:v'],
  ['image.kubefledgedControllerDigest', DIGEST, `kubefledged-controller@${DIGEST}`],
  ['image.kubefledgedCRIClientRepository', 'example.com/r', 'value: "example.com/r:v'],
  ['image.kubefledgedCRIClientDigest', DIGEST, `kubefledged-cri-client@${DIGEST}`],
  ['image.kubefledgedWebhookServerRepository', 'example.com/w', 'image: "example.com/w:v'],
  ['image.kubefledgedWebhookServerDigest', DIGEST, `kubefledged-webhook-server@${DIGEST}`],
  ['image.busyboxImageRepository', 'example.com/b', 'value: "example.com/b:v'],
  ['image.busyboxImageVersion', '1.35.0', 'kubefledged-busybox:1.35.0'],
  ['image.busyboxImageDigest', DIGEST, `kubefledged-busybox@${DIGEST}`],
  ['image.tag', 'v9', 'kubefledged-controller:v9'],
  ['image.pullPolicy', 'Never', 'imagePullPolicy: Never'],
  ['command.kubefledgedControllerCommand', ['/c', 'x'], '- /c\n            - x'],
  ['command.kubefledgedWebhookServerCommand', ['/w'], '- /w\n'],
  ['args.controllerLogLevel', 'ERROR', '--stderrthreshold=ERROR'],
  ['args.controllerImagePullDeadlineDuration', '1h30m', '--image-pull-deadline-duration=1h30m'],
  ['args.controllerImageCacheRefreshFrequency', '0s', '--image-cache-refresh-frequency=0s'],
  ['args.controllerImagePullPolicy', 'Always', '--image-pull-policy=Always'],
  ['args.controllerServiceAccountName', 'puller', '--service-account-name=puller'],
  ['args.controllerImageDeleteJobHostNetwork', true, '--image-delete-job-host-network=true'],
  ['args.controllerJobPriorityClassName', 'low', '--job-priority-class-name=low'],
  ['args.controllerJobTemplateAllow', 'runtimeClassName', '--job-template-allow=runtimeClassName'],
  ['args.controllerJobRetentionPolicy', 'retain', '--job-retention-policy=retain'],
  ['args.controllerCRISocketPath', '/run/k3s.sock', '--cri-socket-path=/run/k3s.sock'],
  ['args.controllerJobsMaxSurge', 12, '--jobs-max-surge=12'],
  ['args.webhookServerLogLevel', 'WARNING', '--stderrthreshold=WARNING'],
  [
    'args.webhookServerCertFile',
    '/var/run/secrets/webhook-server/a.crt',
    'path: "a.crt"',
    { 'secret.name': 's' },
  ],
  [
    'args.webhookServerKeyFile',
    '/var/run/secrets/webhook-server/b.key',
    'path: "b.key"',
    { 'secret.name': 's' },
  ],
  ['args.webhookServerPort', 8443, 'containerPort: 8443'],
  ['validatingWebhookCABundle', 'Q0E=', 'caBundle: "Q0E="', { 'secret.name': 's' }],
  ['imagePullSecrets', [{ name: 'pull' }], 'imagePullSecrets:\n'],
  ['nameOverride', 'other', 'app.kubernetes.io/name: other'],
  ['fullnameOverride', 'kubefledged', 'name: kubefledged-controller\n'],
  ...created('serviceAccount', 'kind: ServiceAccount\nmetadata:\n  name: kube-fledged-controller'),
  ['serviceAccount.name', 'mine', 'serviceAccountName: mine-webhook-server'],
  ...created('clusterRole', 'kind: ClusterRole\nmetadata:\n  name: kube-fledged-controller'),
  ['clusterRole.name', 'mine', 'kind: ClusterRole\n  name: mine-webhook-server'],
  ...created('clusterRoleBinding', 'kind: ClusterRoleBinding\nmetadata:\n  name: kube-fledged-controller'),
  ['clusterRoleBinding.name', 'mine', 'kind: ClusterRoleBinding\nmetadata:\n  name: mine-webhook-server'],
  ...created('role', 'kind: RoleBinding\nmetadata:\n  name: kube-fledged-controller'),
  ...created('validatingWebhook', 'kind: ValidatingWebhookConfiguration'),
  ['validatingWebhook.name', 'mine', 'kind: ValidatingWebhookConfiguration\nmetadata:\n  name: mine'],
  ['secret.name', 'given', 'name: given'],
  ['certManager.enable', true, 'secretName: kube-fledged-webhook-server-certificate'],
  [
    'certManager.issuerRef',
    { kind: 'ClusterIssuer', name: 'i' },
    'kind: ClusterIssuer',
    { 'certManager.enable': true },
  ],
  ['podSecurityContext', { fsGroup: 77 }, 'fsGroup: 77'],
  ['securityContext', { runAsUser: 1234 }, 'runAsUser: 1234'],
  ['service.type', 'NodePort', 'type: NodePort'],
  ['service.port', 8080, 'port: 8080'],
  ...created('webhookService', 'kind: Service\nmetadata:\n  name: kube-fledged-webhook-server'),
  ['webhookService.type', 'LoadBalancer', 'type: LoadBalancer'],
  ['webhookService.port', 4443, 'port: 4443'],
  ['webhookService.targetPort', 9443, 'targetPort: 9443'],
  ['webhookService.name', 'hook', 'kind: Service\nmetadata:\n  name: hook'],
  ['ingress.enabled', true, 'host: "chart-example.local"'],
  ['ingress.className', 'nginx', 'ingressClassName: "nginx"', { 'ingress.enabled': true }],
  ['ingress.annotations', { a: 'ingress' }, 'a: ingress', { 'ingress.enabled': true }],
  ['ingress.hosts', [{ host: 'h.example', paths: ['/x'] }], 'path: "/x"', { 'ingress.enabled': true }],
  ['ingress.tls', [{ secretName: 't' }], 'secretName: t', { 'ingress.enabled': true }],
  ['resources', { limits: { cpu: '5' } }, 'cpu: "5"'],
  ['nodeSelector', { pool: 'system' }, 'pool: system'],
  ['tolerations', [{ operator: 'Exists' }], 'operator: Exists'],
  ['affinity', { podAffinity: {} }, 'podAffinity: {}'],
  ['crds.install', false, { gone: 'kubefledged.io, nodeimages.kubefledged.io' }],
  ['podDisruptionBudget.enable', false, { gone: 'kind: PodDisruptionBudget' }],
  ['podDisruptionBudget.maxUnavailable', '30%', 'maxUnavailable: 30%'],
  ['serviceMonitor.enable', true, 'kind: ServiceMonitor'],
  ['serviceMonitor.interval', '77s', 'interval: "77s"', { 'serviceMonitor.enable': true }],
  ['serviceMonitor.labels', { release: 'prom' }, 'release: prom', { 'serviceMonitor.enable': true }],
  ['networkPolicy.enable', true, 'kind: NetworkPolicy'],
  ['networkPolicy.metricsFrom', [{ podSelector: {} }], 'from:', { 'networkPolicy.enable': true }],
]

describe('values of the chart', () => {
  let manifests = ''
  beforeAll(async () => {
    manifests = await render()
  })

  it('are all in the table', async () => {
    const known = chartValues(await readFile(join(CHART, 'values.yaml'), 'utf8')).map(({ path }) => path)
    expect(ROWS.map(([path]) => path).sort()).toEqual(known.sort())
  })

  it.each(ROWS.map(([path, value, expected, beside]) => ({ path, value, expected, beside })))(
    '$path',
    async ({ path, value, expected, beside }) => {
      const without = beside ? await render(beside) : manifests
      const changed = await render({ ...beside, [path]: value })
      const [text, has, lacks] =
        typeof expected === 'string' ? [expected, changed, without] : [expected.gone, without, changed]
      expect(has).toContain(text)
      expect(lacks).not.toContain(text)
    },
  )

  it('render the same every time', async () => {
    expect(await render()).toBe(manifests)
  })
})

/** Values of old installations whose form differs from the defaults. */
const OLD_VALUES: readonly Row[] = [
  ['controllerReplicaCount', '3', 'replicas: 3\n'],
  ['webhookServerReplicaCount', '0', 'replicas: 0\n'],
  ['controller.metricsPort', '9090', 'containerPort: 9090\n'],
  ['service.port', '8080', 'port: 8080\n'],
  ['webhookService.port', '4443', 'port: 4443\n'],
  ['webhookService.targetPort', '9443', 'targetPort: 9443\n'],
  ['args.webhookServerPort', '8443', '--port=8443'],
  ['args.controllerJobsMaxSurge', '5', '--jobs-max-surge=5'],
  ['args.controllerJobsMaxSurge', 1_000_000, '--jobs-max-surge=1000000'],
  ['args.controllerJobRetentionPolicy', ' Delete ', '--job-retention-policy= Delete '],
  ['args.controllerJobRetentionPolicy', 'RETAIN', '--job-retention-policy=RETAIN'],
  ['args.controllerJobRetentionPolicy', '', '--job-retention-policy=delete'],
  ['args.controllerLogLevel', 'info', '--stderrthreshold=info'],
  ['args.controllerLogLevel', 1, '--stderrthreshold=1'],
  ['args.webhookServerLogLevel', 'Warning', '--stderrthreshold=Warning'],
  ['args.controllerImageCacheRefreshFrequency', 0, '--image-cache-refresh-frequency=0"'],
  ['args.controllerImagePullDeadlineDuration', '+1.5h', '--image-pull-deadline-duration=+1.5h'],
  ['args.controllerJobTemplateAllow', ' runtimeClassName ,', '--job-template-allow= runtimeClassName ,'],
  ['args.controllerCRISocketPath', 'unix:///run/x/y.sock', '--cri-socket-path=unix:///run/x/y.sock'],
  ['args.controllerCRISocketPath', '', { gone: 'cri-socket-path' }],
  ['validatingWebhookCABundle', '', { gone: 'caBundle' }],
  ['validatingWebhookCABundle', 'Q0E=', { gone: 'caBundle' }],
  ['podDisruptionBudget.maxUnavailable', 0, 'maxUnavailable: 0\n'],
  ['podDisruptionBudget.maxUnavailable', null, 'maxUnavailable: 1\n'],
]

describe('old values', () => {
  it.each(OLD_VALUES.map(([path, value, expected]) => ({ path, value, expected })))(
    '$path=$value',
    async ({ path, value, expected }) => {
      const manifests = await render({ [path]: value })
      if (typeof expected === 'string') expect(manifests).toContain(expected)
      else expect(manifests).not.toContain(expected.gone)
    },
  )
})

const NO_SOCKET =
  'is not one absolute path of a socket that does not lie in /, such as /run/containerd/containerd.sock.'

describe('bad values', () => {
  it.each<[path: string, value: unknown, sentence: string]>([
    [
      'image.pullPolicy',
      'Sometimes',
      "at '/image/pullPolicy': value must be one of '', 'Always', 'IfNotPresent', 'Never'",
    ],
    ['controller.hostnetwork', true, "at '/controller': additional properties 'hostnetwork' not allowed"],
    ['controllerReplicaCount', 'two', "at '/controllerReplicaCount': 'two' does not match pattern"],
    ['controllerReplicaCount', '-1', "at '/controllerReplicaCount': '-1' does not match pattern"],
    ['args.webhookServerPort', '65536', "at '/args/webhookServerPort': '65536' does not match pattern"],
    ['args.controllerJobsMaxSurge', 1_000_001, "at '/args/controllerJobsMaxSurge': maximum"],
    ['args.controllerLogLevel', 'loud', 'args.controllerLogLevel: "loud" is not a level'],
    ['args.webhookServerLogLevel', 4, 'args.webhookServerLogLevel: "4" is not a level'],
    [
      'args.controllerJobRetentionPolicy',
      'keep',
      'args.controllerJobRetentionPolicy: "keep" is neither delete nor retain.',
    ],
    [
      'args.controllerImagePullDeadlineDuration',
      '0s',
      'args.controllerImagePullDeadlineDuration: "0s" is not a duration of more than 0s.',
    ],
    ['args.controllerServiceAccountName', 'a..b', 'args.controllerServiceAccountName: "a..b" is not a name'],
    ...['foo', '/x.sock', '//x.sock', '/run/../x.sock', '/run/', 'unix:///x.sock', '/run/a,/run/b'].map(
      (path): [string, unknown, string] => ['args.controllerCRISocketPath', path, `"${path}" ${NO_SOCKET}`],
    ),
    [
      'args.controllerImagePullDeadlineDuration',
      '5x',
      'args.controllerImagePullDeadlineDuration: "5x" is not a duration such as 5m or 1h30m.',
    ],
    [
      'image.kubefledgedControllerDigest',
      'abc',
      'image.kubefledgedControllerDigest: "abc" is not a digest, sha256: and 64 hexadecimal digits.',
    ],
    ['image.tag', 'a:b', 'image.tag: "a:b" is not a tag.'],
    [
      'global.imageRegistry',
      'https://mirror.example',
      'global.imageRegistry: "https://mirror.example" is not a registry such as registry.example.com:5000',
    ],
    [
      'serviceAccount.name',
      'A_b',
      'serviceAccount.name: "A_b" is not a name: lower-case letters, digits, inner dashes and dots.',
    ],
    [
      'podDisruptionBudget.maxUnavailable',
      'x',
      'podDisruptionBudget.maxUnavailable: "x" is neither a number nor a percentage.',
    ],
    [
      'args.webhookServerKeyFile',
      '/x/y',
      'args.webhookServerKeyFile must be in the directory of args.webhookServerCertFile.',
    ],
  ])('%s=%j', async (path, value, sentence) => {
    await expect(render({ [path]: value })).rejects.toThrow(sentence)
  })
})
