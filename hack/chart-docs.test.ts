import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import manifest from '../package.json' with { type: 'json' }
import { chartValues, parametersDocument, ROOT, staleFiles } from './chart-docs.ts'

const chart = join(ROOT, 'charts/kube-fledged')

/** A JSON schema, as far as the chart's uses it. */
interface Schema {
  readonly $ref?: string
  readonly properties?: Readonly<Record<string, Schema>>
}

async function valuesOfChart() {
  return chartValues(await readFile(join(chart, 'values.yaml'), 'utf8'))
}

/** Paths of everything that a schema knows and that is no group of others. */
function schemaPaths(root: { readonly $defs: Readonly<Record<string, Schema>> } & Schema): string[] {
  const walk = (schema: Schema, path: readonly string[]): string[] => {
    const { properties } = schema.$ref ? (root.$defs[schema.$ref.replace('#/$defs/', '')] ?? {}) : schema
    if (!properties) return [path.join('.')]
    return Object.entries(properties).flatMap(([key, value]) => walk(value, [...path, key]))
  }
  return walk(root, [])
}

describe('the chart', () => {
  it('has generated files that are up to date', async () => {
    expect(await staleFiles()).toEqual([])
  })

  it('documents every value, and knows exactly these', async () => {
    const values = await valuesOfChart()
    expect(values.length).toBeGreaterThan(80)
    expect(values.filter(({ doc }) => !doc.endsWith('.')).map(({ path }) => path)).toEqual([])
    const schema = JSON.parse(await readFile(join(chart, 'values.schema.json'), 'utf8'))
    // a parent chart's condition, which is for helm and not for the templates
    const known = schemaPaths(schema).filter(path => path !== 'enabled')
    expect(known.sort()).toEqual(values.map(({ path }) => path).sort())
  })

  it('has the version of the product', async () => {
    const { version, appVersion } = parse(await readFile(join(chart, 'Chart.yaml'), 'utf8'))
    expect({ version, appVersion }).toEqual({ version: manifest.version, appVersion: `v${manifest.version}` })
  })

  it('keeps the values of kube-fledged with their defaults', async () => {
    const defaults = Object.fromEntries((await valuesOfChart()).map(({ path, value }) => [path, value]))
    expect(defaults).toMatchObject({
      controllerReplicaCount: 1,
      'controller.hostNetwork': false,
      'controller.priorityClassName': '',
      'webhookServer.enable': true,
      'webhookServer.hostNetwork': false,
      'webhookServer.priorityClassName': '',
      'image.pullPolicy': '',
      'command.kubefledgedControllerCommand': ['/opt/bin/kubefledged-controller'],
      'command.kubefledgedWebhookServerCommand': ['/opt/bin/kubefledged-webhook-server'],
      'args.controllerLogLevel': 'INFO',
      'args.controllerImagePullDeadlineDuration': '5m',
      'args.controllerImageCacheRefreshFrequency': '15m',
      'args.controllerImagePullPolicy': 'IfNotPresent',
      'args.controllerServiceAccountName': '',
      'args.controllerImageDeleteJobHostNetwork': false,
      'args.controllerJobPriorityClassName': '',
      'args.controllerJobRetentionPolicy': 'delete',
      'args.controllerCRISocketPath': '',
      'args.controllerJobsMaxSurge': 0,
      'args.webhookServerLogLevel': 'INFO',
      'args.webhookServerCertFile': '/var/run/secrets/webhook-server/tls.crt',
      'args.webhookServerKeyFile': '/var/run/secrets/webhook-server/tls.key',
      'args.webhookServerPort': 443,
      validatingWebhookCABundle: null,
      imagePullSecrets: [],
      nameOverride: '',
      fullnameOverride: '',
      'serviceAccount.create': true,
      'serviceAccount.name': null,
      'clusterRole.create': true,
      'clusterRole.name': null,
      'clusterRoleBinding.create': true,
      'clusterRoleBinding.name': null,
      'validatingWebhook.create': true,
      'validatingWebhook.name': null,
      'secret.name': null,
      podSecurityContext: {},
      securityContext: {},
      resources: {},
      nodeSelector: {},
      affinity: {},
      tolerations: [],
      'service.type': 'ClusterIP',
      'service.port': 80,
      'ingress.enabled': false,
      'webhookService.create': true,
      'webhookService.type': 'ClusterIP',
      'webhookService.port': 3443,
      'webhookService.targetPort': 443,
      'webhookService.name': null,
    })
  })
})

describe('chartValues', () => {
  it('reads paths, values and comments', () => {
    const yaml = `# about the file

# -- One | two.
a: 1
b:
  # -- Three
  # goes on.
  c: ""
  d:
`
    const values = chartValues(yaml)
    expect(values).toEqual([
      { path: 'a', value: 1, doc: 'One | two.' },
      { path: 'b.c', value: '', doc: 'Three goes on.' },
      { path: 'b.d', value: null, doc: '' },
    ])
    expect(parametersDocument(values)).toContain(
      '| `a` | `1` | One \\| two. |\n| `b.c` | `""` | Three goes on. |\n| `b.d` |  |  |\n',
    )
  })
})
