import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { imageCacheCrd } from '../../src/api/crd.ts'

/** A stand-in for the chart of kube-fledged 0.10: its objects, by the names and labels that an upgrade meets, with an idle image. */

const LABELS = {
  'app.kubernetes.io/name': 'kube-fledged',
  'app.kubernetes.io/instance': '{{ .Release.Name }}',
}
/** Of a release whose name contains that of the chart. */
const NAME = '{{ .Release.Name }}'

const rbac = 'rbac.authorization.k8s.io'

function objectsOf(component: 'controller' | 'webhook-server', image: string): object[] {
  const selector = { ...LABELS, 'app.kubernetes.io/part-of': `${NAME}-${component}` }
  const metadata = {
    name: `${NAME}-${component}`,
    labels: { ...LABELS, 'app.kubernetes.io/part-of': NAME, 'app.kubernetes.io/version': 'v0.10.0' },
  }
  const restricted = {
    runAsNonRoot: true,
    runAsUser: 65_532,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  }
  const subjects = [
    { kind: 'ServiceAccount', name: metadata.name, namespace: '{{ .Release.Namespace }}' },
    { kind: 'Group', apiGroup: rbac, name: 'system:nodes' },
  ]
  const rules = [{ apiGroups: ['batch'], resources: ['jobs'], verbs: ['get', 'list', 'create', 'delete'] }]
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    { apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata, rules },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata,
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: metadata.name },
      subjects,
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: 1,
        selector: { matchLabels: selector },
        template: {
          metadata: { labels: selector },
          spec: {
            serviceAccountName: metadata.name,
            containers: [{ name: 'kube-fledged', image, securityContext: restricted }],
          },
        },
      },
    },
  ]
}

const webhook = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingWebhookConfiguration',
  metadata: { name: `${NAME}-webhook-server`, labels: LABELS },
  webhooks: [
    {
      name: 'validate-image-cache.kubefledged.io',
      admissionReviewVersions: ['v1beta1', 'v1'],
      timeoutSeconds: 1,
      // Fail in kube-fledged; nobody answers here.
      failurePolicy: 'Ignore',
      sideEffects: 'None',
      clientConfig: {
        service: {
          namespace: '{{ .Release.Namespace }}',
          name: `${NAME}-webhook-server`,
          path: '/validate-image-cache',
          port: 3443,
        },
      },
      rules: [
        {
          operations: ['CREATE', 'UPDATE'],
          apiGroups: ['kubefledged.io'],
          apiVersions: ['v1alpha2'],
          resources: ['imagecaches'],
          scope: 'Namespaced',
        },
      ],
    },
  ],
}

/** No status subresource, no columns, a loose schema; and without Helm's labels, as everything in `crds/`. */
function oldDefinition(): object {
  const { group, scope, names } = imageCacheCrd.spec
  const loose = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  const openAPIV3Schema = { type: 'object', required: ['spec'], properties: { spec: loose, status: loose } }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: imageCacheCrd.metadata.name, labels: { component: 'kubefledged-controller' } },
    spec: {
      group,
      scope,
      names,
      versions: [{ name: 'v1alpha2', served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  }
}

/** Writes the chart into a new folder and answers its path. Its Pods run `image`. */
export async function writeOldChart(image: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'old-chart-'))
  await Promise.all(['templates', 'crds'].map(name => mkdir(join(folder, name))))
  const chart = { apiVersion: 'v2', name: 'kube-fledged', version: 'v0.10.0', appVersion: 'v0.10.0' }
  const objects = [...objectsOf('controller', image), ...objectsOf('webhook-server', image), webhook]
  await writeFile(join(folder, 'Chart.yaml'), stringify(chart))
  await writeFile(join(folder, 'crds/crd.yaml'), stringify(oldDefinition()))
  const text = objects
    .map(object => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }))
    .join('---\n')
  await writeFile(join(folder, 'templates/all.yaml'), text)
  return folder
}
