import { beforeAll, describe, expect, it } from 'vitest'
import { dryRun, EVERYTHING, prepare } from './cluster.ts'
import { render, type Values } from './helm.ts'

/** An API server accepts the chart's output, also with restricted Pod Security. */

/** A warning, such as one of Pod Security, fails the test. */
const STRICT = '--warnings-as-errors'

beforeAll(prepare)

describe('manifests of the chart', () => {
  it.each<{ name: string; values: Values }>([
    { name: 'the defaults', values: {} },
    { name: 'everything', values: EVERYTHING },
    { name: 'no webhook server', values: { 'webhookServer.enable': false } },
    {
      name: 'nothing created',
      values: { 'serviceAccount.create': false, 'clusterRole.create': false, 'role.create': false },
    },
  ])('$name', async ({ values }) => {
    const applied = await dryRun(await render(values), STRICT)
    expect(applied).toMatch(/^deployment.apps\/\S+-controller serverside-applied/m)
  })

  // The API server warns that the Pods of such a Deployment get shortened names.
  it.each<{ name: string; values: Values; release: string }>([
    { name: 'a release', values: {}, release: 'r'.repeat(53) },
    { name: 'objects', values: { fullnameOverride: 'f'.repeat(63) }, release: 'kf' },
  ])('take the longest name of $name', async ({ values, release }) => {
    const applied = await dryRun(await render(values, release))
    expect(applied).toMatch(/^deployment.apps\/\S+-controller serverside-applied/m)
    const names = [...applied.matchAll(/^service\/(\S+)/gm)].map(([, name]) => name)
    expect(new Set(names).size).toBe(2)
  })

  it.each(['controller', 'webhook-server'])(
    'lets %s have its roles without cluster roles',
    async component => {
      const kinds = async (values: Values) => {
        const manifests = (await render({ ...values, 'crds.install': false })).split(/^---$/m)
        return manifests
          .filter(text => text.includes(`\n  name: kube-fledged-${component}\n`))
          .flatMap(text => /^kind: (.*(?:Role|RoleBinding))$/m.exec(text)?.[1] ?? [])
      }
      const names = ['ClusterRole', 'Role', 'ClusterRoleBinding', 'RoleBinding']
      expect((await kinds({})).sort()).toEqual(names.toSorted())
      const cluster = { 'clusterRole.create': false, 'clusterRoleBinding.create': false }
      expect((await kinds(cluster)).sort()).toEqual(['Role', 'RoleBinding'])
      expect((await kinds({ 'role.create': false })).sort()).toEqual(['ClusterRole', 'ClusterRoleBinding'])
      expect(await kinds({ ...cluster, 'role.create': false })).toEqual([])
    },
  )

  it('uses no low port and no second Pod per node with host networking', async () => {
    const values = { 'controller.hostNetwork': true, 'webhookServer.hostNetwork': true }
    const manifests = await render({ ...values, webhookServerReplicaCount: 1 })
    expect(manifests).not.toContain('ip_unprivileged_port_start')
    expect(manifests).toContain('--port=10443')
    expect(manifests.match(/type: Recreate\n/g)).toHaveLength(2)
    const two = await render({ ...values, controllerReplicaCount: 2, webhookServerReplicaCount: 2 })
    expect(two.match(/maxSurge: 0\n/g)).toHaveLength(2)
    // Host networking is not restricted. Everything else is.
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
