import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished } from 'vitest'
import { namespaceOf } from '../builders/namespace.ts'
import { ROOT } from '../harness/cluster-env.ts'
import { eventually } from '../harness/cluster.ts'
import { commandsOf, runCommands } from '../harness/documents.ts'
import { CHART, helm, imageArguments } from '../harness/helm.ts'
import { pushImage } from '../harness/image-builder.ts'
import { createCache, getCache, waitForStatus } from '../harness/image-caches.ts'
import { make } from '../harness/make.ts'
import { OLD_CHART, checkoutOldRelease, oldImageArguments } from '../harness/old-release.ts'
import { cluster, test } from './fixtures.ts'
import { OldCaches } from './old-caches.ts'

/** The life of a release, in the place of what the other tests have installed. */

const RELEASE = 'kube-fledged'
const NAMESPACE = 'kube-fledged'
const DEFINITIONS = ['imagecaches.kubefledged.io', 'nodeimages.kubefledged.io']
const CLUSTER_KINDS = 'clusterroles,clusterrolebindings,validatingwebhookconfigurations'
const KINDS =
  'deployments,replicasets,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets,jobs,pods,networkpolicies'

const DOCUMENT = 'docs/migrating-from-kube-fledged.md'
/** A test that waits for six rollouts, and once for a compiler. */
const TIMEOUT_MS = 900_000

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
  await cluster.apply(namespaceOf(NAMESPACE, labels))
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

/** Like {@link release}, with what comes and goes by itself left out. */
async function settledRelease(): Promise<string[]> {
  return (await release()).filter(line => !/^(Job|Pod) kubefledged-(purge|.*test)/.test(line))
}

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
    const kept = DEFINITIONS.map(name => expect.stringContaining(`CustomResourceDefinition ${name} `))
    expect(left).toEqual(kept)
  })
})

describe.skipIf(!cluster.isLocal)('a release of kube-fledged 0.11', () => {
  test('is upgraded with its image caches and comes back, by the commands of the document', {
    timeout: TIMEOUT_MS,
  }, async ({ namespace }) => {
    await uninstall()
    await cluster.kubectl(['delete', 'crd', ...DEFINITIONS, '--ignore-not-found'])
    // its Pods run as root
    await cluster.kubectl(['label', 'namespace', NAMESPACE, 'pod-security.kubernetes.io/enforce-'])
    const checkout = await checkoutOldRelease(cluster)
    const folder = await mkdtemp(join(tmpdir(), 'upgrade-'))
    onTestFinished(async () => {
      for (const path of [checkout, folder]) await rm(path, { recursive: true })
    })
    const chart = join(checkout, OLD_CHART)
    const oldArguments = ['--set', 'args.controllerJobsMaxSurge=50', ...(await oldImageArguments(cluster))]
    await helm(cluster, 'install', RELEASE, chart, '-n', NAMESPACE, '--wait', ...oldArguments)
    const uids = (lines: readonly string[]) =>
      lines.filter(line => /^(Deployment|Service)/.test(line)).map(line => line.split(' ')[2])
    const old = uids(await release())
    const caches = await OldCaches.make(namespace)

    const [upgrade = ''] = await commandsOf(DOCUMENT, 'Helm')
    const withImages = `--wait ${(await imageArguments(cluster)).join(' ')}`
    const commands = upgrade.replace('--wait', withImages)
    await symlink(join(ROOT, 'charts'), join(folder, 'charts'))
    await runCommands(cluster, commands, folder)
    expect(uids(await release())).toEqual(expect.arrayContaining(old))
    const values = await helm(cluster, 'get', 'values', RELEASE, '-n', NAMESPACE, '-o', 'json')
    expect(JSON.parse(values)).toMatchObject({ args: { controllerJobsMaxSurge: 50 } })
    await caches.expectTakenOver()

    const before = await settledRelease()
    await runCommands(cluster, /^helm upgrade .*$/m.exec(commands)?.[0] ?? 'false', folder)
    expect(await settledRelease()).toEqual(before)

    const [prepare = '', , back = ''] = await commandsOf(DOCUMENT, 'Going back')
    // what `helm pull` brings
    await cp(chart, join(folder, 'kube-fledged'), { recursive: true })
    const rollback = back.replace('REVISION', '1').replace(/^helm pull .*$/m, '')
    await runCommands(cluster, prepare + rollback, folder)
    const accounts = 'jsonpath={.items[*].spec.template.spec.serviceAccountName}'
    expect(
      await cluster.kubectl(['get', 'deployments', '-n', NAMESPACE, '-o', accounts]),
      'the account of the one, none of the other, as the chart has it',
    ).toBe(`${RELEASE}-controller`)
    await caches.expectGivenBack()
  })
})
