import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished } from 'vitest'
import { ROOT } from '../harness/cluster-env.ts'
import { uniqueName } from '../harness/cluster.ts'
import { run } from '../harness/command.ts'
import { imageArguments } from '../harness/helm.ts'
import { pushImage } from '../harness/image-builder.ts'
import { createCache, waitForStatus } from '../harness/image-caches.ts'
import { leftovers } from '../harness/leftovers.ts'
import { imageNames, make } from '../harness/make.ts'
import { linkPlainTools } from '../harness/plain-tools.ts'
import { cluster, test } from './fixtures.ts'

/**
 * Every way to install and to remove, from a checkout in which nothing was installed, on a machine that has
 * kubectl or helm, make, bash and plain tools. In the place of what the other tests have installed.
 */

const NAMESPACE = 'kube-fledged'
/** Tests that wait for several rollouts. */
const TIMEOUT_MS = 600_000
/** What of the checkout the targets need: no package of npm, nothing that was built. */
const PARTS = ['Makefile', 'package.json', 'hack', 'deploy', 'charts']

let folder: string
let checkout: string

beforeAll(async () => {
  await make(cluster, 'remove-kubefledged')
  folder = await mkdtemp(join(tmpdir(), 'plain-install-'))
  checkout = join(folder, 'checkout')
  for (const part of PARTS)
    await cp(join(ROOT, part), join(checkout, part), { recursive: true, verbatimSymlinks: true })
  for (const program of ['kubectl', 'helm']) {
    await mkdir(join(folder, program))
    await linkPlainTools(join(folder, program), [program], cluster.isLocal ? [cluster.local.bin] : [])
  }
})

afterAll(async () => {
  await rm(folder, { recursive: true })
  await make(cluster, 'deploy-using-yaml')
})

/** Runs a command in the checkout with nothing else in PATH than plain tools and this program. */
async function plain(
  program: 'kubectl' | 'helm',
  command: readonly [string, ...string[]],
  variables = {},
): Promise<string> {
  return run(command, {
    timeoutMs: 300_000,
    env: {
      ...(await imageNames(cluster)),
      KUBECONFIG: cluster.kubeconfig,
      ...variables,
      PATH: join(folder, program),
    },
  })
}
const plainMake = (target: string, variables?: Readonly<Record<string, string>>) =>
  plain('kubectl', ['make', '--no-print-directory', '-C', checkout, target], variables)
const helm = (...args: string[]) => plain('helm', ['helm', ...args])

/**
 * An image cache that is pulled, and purged when it is deleted: by a Job in the namespace of the
 * controller.
 */
async function expectWorks(): Promise<void> {
  const namespace = uniqueName('plain')
  const image = `plain/${uniqueName('image')}:1`
  await pushImage(cluster.openRegistry(), image)
  await cluster.kubectl(['create', 'namespace', namespace])
  onTestFinished(() => deleteNamespace(namespace))
  const images = [`registry.test.local/${image}`]
  const cache = await createCache(cluster, namespace, { cacheSpec: [{ images }], deletionPolicy: 'Purge' })
  await waitForStatus(cluster, cache, 'Succeeded')
  await cluster.kubectl(['-n', namespace, 'delete', 'imagecache', cache.name, '--timeout=120s'])
  for (const node of await cluster.nodes()) {
    expect(await cluster.runtimeImages(node)).not.toContain(images[0])
  }
}

async function deleteNamespace(name: string): Promise<void> {
  await cluster.kubectl(['delete', 'namespace', name, '--wait=false'])
}

const wrongCache = (namespace: string) =>
  createCache(cluster, namespace, { cacheSpec: [{ images: ['a:1', 'a:1'] }] })
const DENIAL = 'Duplicate image names within image list: a:1'

/** What the targets of manifests do in one namespace, and that nothing is left. */
async function expectLifeByManifests(namespace: string): Promise<void> {
  await plainMake('deploy')
  await plainMake('deploy-webhook-server-using-yaml')
  await expect(wrongCache('default')).rejects.toThrow(DENIAL)
  await expectWorks()
  await plainMake('update')
  await expect(wrongCache('default')).rejects.toThrow(DENIAL)
  const where = 'jsonpath={.items[*].metadata.namespace}'
  const pods = await cluster.kubectl(['get', 'pods', '-A', '-l', 'app=kubefledged', '-o', where])
  expect(new Set(pods.split(' '))).toEqual(new Set([namespace]))
  await plainMake('remove-webhook-server')
  await wrongCache('default')
  const said = await plainMake('remove-kubefledged')
  expect(said).toMatch(/^kubectl's context: \S+ \(https:.*\)$/m)
  expect(said).toContain('  the CRD imagecaches.kubefledged.io and its objects in all namespaces: 1\n')
  expect(await leftovers(cluster)).toEqual([])
}

describe('with kubectl, make, bash and plain tools alone', () => {
  test('the manifests', { timeout: TIMEOUT_MS }, async () => {
    await expectLifeByManifests(NAMESPACE)
  })

  test('the manifests with another namespace in them', { timeout: TIMEOUT_MS }, async () => {
    const manifests = join(checkout, 'deploy')
    const original = join(folder, 'deploy')
    await cp(manifests, original, { recursive: true, verbatimSymlinks: true })
    onTestFinished(async () => {
      await rm(manifests, { recursive: true })
      await cp(original, manifests, { recursive: true, verbatimSymlinks: true })
    })
    const namespace = uniqueName('edited')
    for (const file of (await readdir(manifests)).filter(name => name.endsWith('.yaml'))) {
      const text = await readFile(join(manifests, file), 'utf8')
      await writeFile(
        join(manifests, file),
        text.replaceAll(/^( *namespace: )kube-fledged$/gm, `$1${namespace}`),
      )
    }
    await expectLifeByManifests(namespace)
    expect(await cluster.kubectl(['get', 'namespace', namespace, '--ignore-not-found'])).toBe('')
  })

  test('KUBEFLEDGED_NAMESPACE, which was there before and stays', { timeout: TIMEOUT_MS }, async () => {
    const KUBEFLEDGED_NAMESPACE = uniqueName('existing')
    await cluster.kubectl(['create', 'namespace', KUBEFLEDGED_NAMESPACE])
    onTestFinished(() => deleteNamespace(KUBEFLEDGED_NAMESPACE))
    await cluster.kubectl(['-n', KUBEFLEDGED_NAMESPACE, 'create', 'configmap', 'mine'])
    await plainMake('deploy-using-yaml', { KUBEFLEDGED_NAMESPACE })
    for (const target of ['deploy', 'update', 'remove-kubefledged']) {
      await expect(plainMake(target), 'without the variable').rejects.toThrow(
        `KUBEFLEDGED_NAMESPACE=${KUBEFLEDGED_NAMESPACE}`,
      )
    }
    await expect(plainMake('remove-kubefledged-and-operator')).rejects.toThrow(
      `make remove-kubefledged KUBEFLEDGED_NAMESPACE=${KUBEFLEDGED_NAMESPACE}`,
    )
    await expectWorks()
    await plainMake('remove-kubefledged', { KUBEFLEDGED_NAMESPACE })
    expect(await leftovers(cluster)).toEqual([])
    const kinds =
      'deployments,serviceaccounts,roles,rolebindings,services,poddisruptionbudgets,secrets,leases,configmaps'
    const left = await cluster.kubectl(['-n', KUBEFLEDGED_NAMESPACE, 'get', kinds, '-o', 'name'])
    expect(left.trim().split('\n').sort()).toEqual([
      'configmap/kube-root-ca.crt',
      'configmap/mine',
      'serviceaccount/default',
    ])
  })

  test('the operator', { timeout: TIMEOUT_MS }, async () => {
    const variables = {
      KUBEFLEDGED_NAMESPACE: uniqueName('product'),
      OPERATOR_NAMESPACE: uniqueName('operator'),
    }
    await plainMake('deploy-using-operator', variables)
    await plainMake('deploy-webhook-server-using-operator', variables)
    await expect(wrongCache('default')).rejects.toThrow(DENIAL)
    await plainMake('remove-webhook-server-using-operator', variables)
    await expectWorks()
    const words = Object.entries(variables).map(([name, value]) => `${name}=${value}`)
    await expect(plainMake('remove-kubefledged')).rejects.toThrow(
      `make remove-kubefledged-and-operator ${words.join(' ')}`,
    )
    await plainMake('remove-kubefledged-and-operator', variables)
    expect(await leftovers(cluster)).toEqual([])
    const left = await cluster.kubectl([
      'get',
      'namespaces',
      ...Object.values(variables),
      '--ignore-not-found',
    ])
    expect(left).toBe('')
  })
})

describe('with helm alone', () => {
  test('the chart', { timeout: TIMEOUT_MS }, async () => {
    const images = await imageArguments(cluster)
    const namespace = uniqueName('chart')
    await helm(
      'install',
      'fledged',
      join(checkout, 'charts/kube-fledged'),
      '-n',
      namespace,
      '--create-namespace',
      '--wait',
      ...images,
    )
    onTestFinished(() => deleteNamespace(namespace))
    await expect(wrongCache('default')).rejects.toThrow(DENIAL)
    await expectWorks()
    for (const target of ['remove-kubefledged', 'remove-kubefledged-and-operator']) {
      await expect(plainMake(target)).rejects.toThrow(`helm uninstall fledged -n ${namespace}`)
    }
    await helm('uninstall', 'fledged', '-n', namespace, '--wait')
    await cluster.kubectl(['delete', 'crd', 'imagecaches.kubefledged.io', 'nodeimages.kubefledged.io'])
    expect(await leftovers(cluster)).toEqual([])
  })
})
