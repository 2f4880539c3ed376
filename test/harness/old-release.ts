import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { imageCacheCrd } from '../../src/api/crd.ts'

/**
 * Stand-ins for the chart and for the manifests of kube-fledged 0.10: its objects, by the names and labels that an upgrade meets, with an
 * idle image.
 */

const LABELS = {
  'app.kubernetes.io/name': 'kube-fledged',
  'app.kubernetes.io/instance': '{{ .Release.Name }}',
}
/** Of a release whose name contains that of the chart. */
const NAME = '{{ .Release.Name }}'

const NAMESPACE = 'kube-fledged'

const rbac = 'rbac.authorization.k8s.io'

type Component = 'controller' | 'webhook-server'

function chartObjects(component: Component, image: string): object[] {
  const selector = { ...LABELS, 'app.kubernetes.io/part-of': `${NAME}-${component}` }
  const metadata = {
    name: `${NAME}-${component}`,
    labels: { ...LABELS, 'app.kubernetes.io/part-of': NAME, 'app.kubernetes.io/version': 'v0.10.0' },
  }
  return objectsOf({
    metadata,
    namespace: '{{ .Release.Namespace }}',
    selector,
    container: 'kube-fledged',
    image,
  })
}

function manifestObjects(component: Component, image: string): object[] {
  const selector = { kubefledged: `kubefledged-${component}` }
  const metadata = {
    name: `kubefledged-${component}`,
    namespace: NAMESPACE,
    labels: { app: 'kubefledged', ...selector },
  }
  return objectsOf({ metadata, namespace: NAMESPACE, selector, container: component, image })
}

interface OldComponent {
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  readonly namespace: string
  readonly selector: Readonly<Record<string, string>>
  readonly container: string
  readonly image: string
}

function objectsOf({ metadata, namespace, selector, container, image }: OldComponent): object[] {
  const restricted = {
    runAsNonRoot: true,
    runAsUser: 65_532,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  }
  const subjects = [
    { kind: 'ServiceAccount', name: metadata.name, namespace },
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
            containers: [{ name: container, image, securityContext: restricted }],
          },
        },
      },
    },
  ]
}

const webhook = (name: string, namespace: string, labels: object) => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingWebhookConfiguration',
  metadata: { name, labels },
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
          namespace,
          name,
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
})

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
  const objects = [
    ...chartObjects('controller', image),
    ...chartObjects('webhook-server', image),
    webhook(`${NAME}-webhook-server`, '{{ .Release.Namespace }}', LABELS),
  ]
  await writeFile(join(folder, 'Chart.yaml'), stringify(chart))
  await writeFile(join(folder, 'crds/crd.yaml'), stringify(oldDefinition()))
  const text = objects
    .map(object => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }))
    .join('---\n')
  await writeFile(join(folder, 'templates/all.yaml'), text)
  return folder
}

/** The objects of `make deploy-using-yaml`, in the order in which they have to come. Their Pods run `image`. */
export function oldManifests(image: string): object[] {
  const labels = { app: 'kubefledged', kubefledged: 'kubefledged-webhook-server' }
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels: { app: 'kubefledged' } } },
    oldDefinition(),
    ...manifestObjects('controller', image),
    ...manifestObjects('webhook-server', image),
    webhook('kubefledged-webhook-server', NAMESPACE, labels),
  ]
}
