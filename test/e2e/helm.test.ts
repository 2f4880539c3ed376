import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished } from 'vitest'
import { eventually } from '../harness/cluster.ts'
import { CHART, helm, imageArguments } from '../harness/helm.ts'
import { pushImage } from '../harness/image-builder.ts'
import { createCache, getCache, waitForStatus } from '../harness/image-caches.ts'
import { make } from '../harness/make.ts'
import { writeOldChart } from '../harness/old-release.ts'
import { cluster, test } from './fixtures.ts'

/** The life of a release, in the place of what the other tests have installed. */

const RELEASE = 'kube-fledged'
const NAMESPACE = 'kube-fledged'
const DEFINITIONS = ['imagecaches.kubefledged.io', 'nodeimages.kubefledged.io']
const CLUSTER_KINDS = 'clusterroles,clusterrolebindings,validatingwebhookconfigurations'
const KINDS =
  'deployments,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets,jobs,pods,networkpolicies'

const install = async (...args: string[]) =>
  helm(
    cluster,
    'upgrade',
    '--install',
    RELEASE,
    CHART,
    '-n',
    NAMESPACE,
    '--wait',
    ...(await imageArguments(cluster)),
    ...args,
  )
const uninstall = () => helm(cluster, 'uninstall', RELEASE, '-n', NAMESPACE, '--wait', '--ignore-not-found')

beforeAll(async () => {
  await make(cluster, 'remove-kubefledged')
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
  await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels } })
})

afterAll(async () => {
  await uninstall()
  await cluster.kubectl(['delete', 'crd', ...DEFINITIONS, '--ignore-not-found'])
  await cluster.kubectl(['delete', 'namespace', NAMESPACE])
  await make(cluster, 'deploy-using-yaml')
})

/** Everything of the release, with what changes when it is written. */
async function release(): Promise<string[]> {
  const state =
    'jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.uid} {.metadata.generation}{"\\n"}{end}'
  const lists = await Promise.all([
    cluster.kubectl(['get', KINDS, '-n', NAMESPACE, '-o', state]),
    cluster.kubectl(['get', `${CLUSTER_KINDS},customresourcedefinitions`, '-o', state]),
  ])
  return lists
    .join('')
    .split('\n')
    .filter(line => /kube-?fledged/.test(line))
    .sort()
}

/** What an uninstallation leaves of it. */
const KEPT = DEFINITIONS.map(name => expect.stringContaining(`CustomResourceDefinition ${name} `))

async function newImage(): Promise<string> {
  const name = `helm/image-${Date.now()}:1`
  await pushImage(cluster.openRegistry(), name)
  return `registry.test.local/${name}`
}

describe('the chart', () => {
  test('installs what works; an upgrade without a change changes nothing', async ({ namespace }) => {
    await install('--set', 'webhookServerReplicaCount=2')
    await helm(cluster, 'test', RELEASE, '-n', NAMESPACE)
    const cache = await createCache(cluster, namespace, { cacheSpec: [{ images: [await newImage()] }] })
    await waitForStatus(cluster, cache, 'Succeeded')
    await expect(
      createCache(cluster, namespace, { cacheSpec: [{ images: ['a:1', 'a:1'] }] }),
    ).rejects.toThrow('Duplicate image names within image list: a:1')

    const before = await release()
    expect(before.filter(line => line.startsWith('Deployment '))).toHaveLength(2)
    for (const _ of ['once', 'twice']) {
      await install('--set', 'webhookServerReplicaCount=2')
      expect(await release()).toEqual(before)
    }
  })

  test('leaves the caches of users when it is uninstalled, and no object of the release', async ({
    namespace,
  }) => {
    await install()
    const cache = await createCache(cluster, namespace, { cacheSpec: [{ images: [await newImage()] }] })
    const purged = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [await newImage()] }],
      deletionPolicy: 'Purge',
    })
    for (const address of [cache, purged]) await waitForStatus(cluster, address, 'Succeeded')
    expect((await getCache(cluster, purged)).metadata.finalizers).toEqual(['kubefledged.io/purge'])
    await uninstall()
    expect((await getCache(cluster, cache)).status?.status).toBe('Succeeded')
    // Nobody is left to purge: without the finalizer its namespace can go.
    await cluster.kubectl(['-n', namespace, 'delete', 'imagecache', purged.name, '--timeout=10s'])
    const left = await eventually('the Pods to be gone', async () => {
      const lines = await release()
      return lines.every(line => !line.startsWith('Pod ')) && lines
    })
    expect(left).toEqual(KEPT)
  })

  test('is gone, and says what failed, when its image is not there for the hook of an uninstallation', async ({
    namespace,
  }) => {
    await install()
    const cache = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [await newImage()] }],
      deletionPolicy: 'Purge',
    })
    await waitForStatus(cluster, cache, 'Succeeded')
    const nonesuch = ['--no-hooks', '--reuse-values', '--set', 'image.tag=nonesuch']
    await helm(cluster, 'upgrade', RELEASE, CHART, '-n', NAMESPACE, ...nonesuch)
    await expect(uninstall()).rejects.toThrow(`job ${RELEASE}-release-caches failed`)
    expect(await helm(cluster, 'list', '--all', '--short', '-n', NAMESPACE)).toBe('')
    await cluster.kubectl(['-n', NAMESPACE, 'delete', 'jobs', '--all'])
    expect((await release()).filter(line => !line.startsWith('Pod '))).toEqual(KEPT)
    // what docs/troubleshooting.md says to do
    const patch = '{"metadata":{"finalizers":null}}'
    await cluster.kubectl(['-n', namespace, 'patch', 'imagecache', cache.name, '--type=merge', '-p', patch])
    await cluster.kubectl(['-n', namespace, 'delete', 'imagecache', cache.name, '--timeout=10s'])
  })

  test('takes the place of a release of kube-fledged 0.10, and gives it back', async ({ namespace }) => {
    await uninstall()
    await cluster.kubectl(['delete', 'crd', ...DEFINITIONS, '--ignore-not-found'])
    const chart = await writeOldChart('registry.test.local/pause:1')
    onTestFinished(() => rm(chart, { recursive: true }))
    await helm(cluster, 'install', RELEASE, chart, '-n', NAMESPACE)
    const old = await release()
    expect(old.filter(line => !line.startsWith('Pod '))).toHaveLength(2 * 4 + 2)
    const name = 'left-processing'
    await cluster.apply({
      apiVersion: 'kubefledged.io/v1alpha2',
      kind: 'ImageCache',
      metadata: { name, namespace },
      spec: { cacheSpec: [{ images: [await newImage()] }] },
      status: {
        status: 'Processing',
        reason: 'ImageCacheCreate',
        message: 'Image cache is being created. Please view the status after some time',
        startTime: '2026-01-01T00:00:00Z',
      },
    })

    await install()
    await waitForStatus(cluster, { namespace, name }, 'Succeeded')
    const uids = (lines: readonly string[]) =>
      lines
        .filter(line => /^(Deployment|ServiceAccount|CustomResource)/.test(line))
        .map(line => line.split(' ')[2])
    expect(uids(await release())).toEqual(expect.arrayContaining(uids(old)))
    const subjects = 'jsonpath={.subjects[*].name}'
    expect(
      await cluster.kubectl(['get', 'clusterrolebinding', `${RELEASE}-controller`, '-o', subjects]),
    ).toBe(`${RELEASE}-controller`)

    await helm(cluster, 'rollback', RELEASE, '1', '-n', NAMESPACE)
    expect((await getCache(cluster, { namespace, name })).metadata.name).toBe(name)
  })
})
