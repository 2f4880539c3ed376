import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { parseAllDocuments, stringify } from 'yaml'
import { ROOT } from '../../harness/cluster-env.ts'
import { eventually } from '../../harness/eventually.ts'
import { dryRun, EVERYTHING, kubectl, prepare } from './cluster.ts'
import { NAMESPACE, render, type Values } from './helm.ts'

/** The operator has exactly the rights to install the chart, with those that the chart grants. */

const FOLDER = join(ROOT, 'deploy/kubefledged-operator/deploy')
const FILES = [
  'service_account',
  'clusterrole',
  'clusterrole_granted',
  'clusterrole_binding',
  'role',
  'role_binding',
]
const OPERATOR = `system:serviceaccount:${NAMESPACE}:kubefledged-operator`
const EXTENSIONS = 'apiextensions.k8s.io'
const DEFINITIONS = 'customresourcedefinitions'
const AS = `--as=${OPERATOR}`

beforeAll(async () => {
  await prepare()
  const manifests = await Promise.all(FILES.map(file => readFile(join(FOLDER, `${file}.yaml`), 'utf8')))
  await kubectl(manifests.join('---\n'), 'apply', '--server-side', '-f', '-')
})

/** Output of helm for these values of the chart, with hooks. */
const CASES: readonly { name: string; values: Values }[] = [
  { name: 'the defaults', values: {} },
  { name: 'everything', values: EVERYTHING },
  {
    name: 'self-made certificates',
    values: {
      ...EVERYTHING,
      'secret.name': '',
      validatingWebhookCABundle: '',
      'certManager.enable': false,
    },
  },
]

describe('the operator', () => {
  it.each(CASES)('may make, change, read and delete $name', async ({ values }) => {
    const manifests = await render(values)
    // a binding may exist before the API server's authorizer knows its role
    const applied = await eventually('the objects', () =>
      kubectl(manifests, 'apply', '--server-side', AS, '-f', '-'),
    )
    onTestFinished(async () => {
      await kubectl(manifests, 'delete', '--ignore-not-found', '-f', '-')
    })
    expect(applied).toMatch(/^deployment.apps\/\S+-controller serverside-applied/m)
    expect(applied).toMatch(/^job.batch\/\S+-crds serverside-applied/m)
    const count = applied.trim().split('\n').length
    const got = await kubectl(manifests, 'get', AS, '-o', 'name', '-f', '-')
    expect(got.trim().split('\n')).toHaveLength(count)
    const deleted = await kubectl(manifests, 'delete', AS, '--wait=false', '-f', '-')
    expect(deleted.match(/ deleted/g)).toHaveLength(count)
  })

  it('may not grant rights that it does not have', async () => {
    const roles = parseAllDocuments(await render())
      .map(document => document.toJS())
      .filter(object => object?.kind === 'ClusterRole')
    const [role] = roles
    const more = { apiGroups: [''], resources: ['secrets'], verbs: ['list'] }
    const wider = { ...role, rules: [...role.rules, more] }
    await expect(dryRun(stringify(role), AS)).resolves.toContain('serverside-applied')
    await expect(dryRun(stringify(wider), AS)).rejects.toThrow(
      'attempting to grant RBAC permissions not currently held',
    )
  })

  const rbac = 'rbac.authorization.k8s.io'
  it.each([
    [true, { verb: 'patch', group: 'apps', resource: 'deployments', namespace: NAMESPACE }],
    [false, { verb: 'create', group: 'apps', resource: 'deployments', namespace: 'kube-system' }],
    [false, { verb: 'list', group: '', resource: 'secrets', namespace: 'default' }],
    [false, { verb: 'delete', group: EXTENSIONS, resource: DEFINITIONS, name: 'imagecaches.kubefledged.io' }],
    [false, { verb: 'patch', group: EXTENSIONS, resource: DEFINITIONS, name: 'others.example.com' }],
    [false, { verb: 'escalate', group: rbac, resource: 'clusterroles' }],
    [false, { verb: 'bind', group: rbac, resource: 'clusterroles' }],
    [true, { verb: 'patch', group: 'kubefledged.io', resource: 'imagecaches' }],
    [false, { verb: 'create', group: 'kubefledged.io', resource: 'imagecaches', namespace: NAMESPACE }],
    [false, { verb: 'update', group: 'coordination.k8s.io', resource: 'leases', namespace: 'kube-system' }],
  ])('%s: %j', async (allowed, resourceAttributes) => {
    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: OPERATOR, resourceAttributes },
    }
    const answer = await kubectl(stringify(review), 'create', '-o', 'jsonpath={.status.allowed}', '-f', '-')
    expect(answer).toBe(String(allowed))
  })

  it('runs within the restricted Pod Security level', async () => {
    const manifest = await readFile(join(FOLDER, 'operator.yaml'), 'utf8')
    await expect(dryRun(manifest, '--warnings-as-errors')).resolves.toContain('serverside-applied')
  })
})
