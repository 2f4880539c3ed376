import { beforeAll, describe, expect, it } from 'vitest'
import { type ConfigMap, connect, newNamespace } from '../kube/fixture.ts'
import { imageCacheCrd } from '../../../src/api/crd.ts'
import type { ImageCache } from '../../../src/api/image-cache.ts'
import type { KubeObject } from '../../../src/api/object.ts'
import { kubectl, prepare } from '../chart/cluster.ts'
import { serveKind, TestedRelease } from './fixture.ts'

/** Tests the reconciler with the real helm and a real API server. */

beforeAll(serveKind)

interface Deployment extends KubeObject {
  readonly spec: { readonly template: { readonly spec: { readonly containers: readonly object[] } } }
}

async function setUp(
  spec: Readonly<Record<string, unknown>> = {},
  holdsUp?: () => Promise<string | undefined>,
) {
  const client = connect()
  const { namespace, configMaps } = await newNamespace(client)
  const release = await TestedRelease.create(client, namespace, spec, holdsUp)
  const def = { group: 'apps', version: 'v1', plural: 'deployments', kind: 'Deployment', namespaced: true }
  const deployments = client.resource<Deployment>(def)
  const name = { namespace, name: 'kf' }
  const value = async () => ((await configMaps.get(name)) satisfies ConfigMap).data?.['value']
  return { namespace, release, configMaps, deployments, name, value }
}

describe('ReleaseReconciler', () => {
  it('installs a release once; then a reconcile runs helm once', async () => {
    const { release, deployments, name, value } = await setUp({ value: 'mine', nothing: null })
    const operator = release.operator()
    await operator.reconcile()
    expect(await release.says()).toEqual(['Deployed=True InstallSuccessful', 1])
    expect(await value()).toBe('mine')
    expect((await release.find())?.metadata.finalizers).toEqual(['uninstall-helm-release'])
    const { resourceVersion } = (await deployments.get(name)).metadata
    await operator.reconcile()
    expect(operator.runs).toEqual(['status', 'plan', 'upgrade', 'status'])

    // A new reconciler renders again and finds no difference: `cpu: 1000m`, stored as 1, and a null are
    // equal.
    const other = release.operator()
    await other.reconcile()
    expect(other.runs).toEqual(['status', 'metadata', 'plan'])
    expect(await release.says()).toEqual(['Deployed=True InstallSuccessful', 1])
    expect((await deployments.get(name)).metadata.resourceVersion).toBe(resourceVersion)
  })

  it('applies an edit, also one that removes a value', async () => {
    const { release, value } = await setUp({ value: 'mine' })
    const operator = release.operator()
    await operator.reconcile()
    await release.edit({ value: null })
    await operator.reconcile()
    expect(await release.says()).toEqual(['Deployed=True UpgradeSuccessful', 2])
    expect(await value()).toBe('default')
  })

  it('repairs deleted and changed objects, and keeps foreign additions', async () => {
    const { release, configMaps, deployments, name, value } = await setUp()
    const operator = release.operator()
    await operator.reconcile()
    await configMaps.delete(name)
    const containers = [{ name: 'small', image: 'other' }]
    const theirs = { annotations: { theirs: 'x' } }
    await deployments.mergePatch(name, { metadata: theirs, spec: { template: { spec: { containers } } } })
    await operator.reconcile()
    expect(await value()).toBe('default')
    const { metadata, spec } = await deployments.get(name)
    expect(metadata.annotations).toMatchObject({ theirs: 'x' })
    expect(spec.template.spec.containers).toMatchObject([
      { image: 'small', resources: { limits: { cpu: '1' } } },
    ])
    expect(await release.says()).toEqual(['Deployed=True InstallSuccessful', 1])
  })

  it('reports a missing kind of the release until it exists again', async () => {
    await prepare()
    const { release } = await setUp({ monitored: true })
    const operator = release.operator()
    await operator.reconcile()
    expect(await release.says()).toEqual(['Deployed=True InstallSuccessful', 1])
    await kubectl('', 'delete', 'crd', 'servicemonitors.monitoring.coreos.com')
    expect(await operator.reconcile()).toEqual({ requeueAfterMs: expect.any(Number) })
    const gone = ['Deployed=True InstallSuccessful', 'Irreconcilable=True ReconcileError', 1]
    expect(await release.says()).toEqual(gone)
    expect((await release.find())?.status?.conditions?.at(-1)?.message).toContain(
      'the API server knows no kind ServiceMonitor in monitoring.coreos.com/v1',
    )
    await prepare()
    await operator.reconcile()
    expect(await release.says()).toEqual(['Deployed=True InstallSuccessful', 1])
  })

  it('installs a release again after somebody uninstalled it', async () => {
    const { release, configMaps, namespace, value } = await setUp()
    const operator = release.operator()
    await operator.reconcile()
    const secrets = connect().resource({
      group: '',
      version: 'v1',
      plural: 'secrets',
      kind: 'Secret',
      namespaced: true,
    })
    await secrets.delete({ namespace, name: 'sh.helm.release.v1.kf.v1' })
    await configMaps.delete({ namespace, name: 'kf' })
    await operator.reconcile()
    expect(await release.says()).toEqual(['Deployed=True InstallSuccessful', 1])
    expect(await value()).toBe('default')
  })

  it("says helm's words, also of a first try, and of a helm that cannot be run", async () => {
    const { release } = await setUp({ cpu: 'much' })
    const operator = release.operator()
    expect(await operator.reconcile()).toEqual({ requeueAfterMs: expect.any(Number) })
    expect(await release.says()).toEqual(['ReleaseFailed=True InstallError', undefined])
    const conditions = (await release.find())?.status?.conditions
    expect(conditions?.at(-1)?.message).toContain('quantities must match the regular expression')
    await release.operator('/nothing/helm').reconcile()
    expect(await release.says()).toEqual(['Irreconcilable=True ReconcileError', undefined])
    await release.edit({ cpu: '1' })
    await operator.reconcile()
    expect(await release.says()).toEqual([expect.stringMatching(/^Deployed=True /), expect.any(Number)])
  })

  it('uninstalls before the object is deleted, and after the objects that must be deleted first', async () => {
    let reason: string | undefined = 'waiting for another'
    const { release, configMaps, namespace, name } = await setUp({}, async () => reason)
    const operator = release.operator()
    await operator.reconcile()
    await release.objects.delete(name)
    await operator.reconcile()
    expect(await release.says()).toEqual(['Deployed=False Uninstalling', 1])
    expect((await configMaps.list({ namespace })).items.map(({ metadata }) => metadata.name)).toContain('kf')
    reason = undefined
    await operator.reconcile()
    expect(await release.find()).toBeUndefined()
    expect((await configMaps.list({ namespace })).items.map(({ metadata }) => metadata.name)).not.toContain(
      'kf',
    )
    await operator.reconcile()
  })

  it('releases image caches with the last installation, even when no hook of the release can run', async () => {
    await kubectl(JSON.stringify(imageCacheCrd), 'apply', '--server-side', '--force-conflicts', '-f', '-')
    await kubectl('', 'wait', `crd/${imageCacheCrd.metadata.name}`, '--for=condition=Established')
    const [one, other, third] = [await setUp(), await setUp(), await setUp()]
    const caches = connect().resource<ImageCache>({
      group: 'kubefledged.io',
      version: 'v1alpha2',
      plural: 'imagecaches',
      kind: 'ImageCache',
      namespaced: true,
    })
    const cache = { namespace: one.namespace, name: 'purged' }
    const metadata = { ...cache, finalizers: ['kubefledged.io/purge'] }
    await caches.create({ metadata, spec: { cacheSpec: [{ images: ['a:1'] }], deletionPolicy: 'Purge' } })
    const finalizers = async () => (await caches.get(cache)).metadata.finalizers
    const uninstall = async ({ release, name }: typeof one) => {
      const operator = release.operator(
        undefined,
        [one, other].map(({ namespace }) => namespace),
      )
      await operator.reconcile()
      await release.objects.delete(name)
      await operator.reconcile()
      expect(await release.find()).toBeUndefined()
    }
    await uninstall(third)
    expect(await finalizers(), 'two others stay').toEqual(['kubefledged.io/purge'])
    const operator = other.release.operator()
    await operator.reconcile()
    await other.release.objects.delete(other.name)
    await uninstall(one)
    expect(await finalizers(), 'the other goes too').toBeUndefined()
    await operator.reconcile()
    expect(await other.release.find()).toBeUndefined()
  })
})
