import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished } from 'vitest'
import { ROOT } from '../harness/cluster-env.ts'
import { commandsOf, runCommands } from '../harness/documents.ts'
import { imageNames, make } from '../harness/make.ts'
import { checkoutOldRelease } from '../harness/old-release.ts'
import { cluster, test } from './fixtures.ts'
import { OldCaches } from './old-caches.ts'

/**
 * An installation by manifests that is brought to this release, in the place of what the other tests have
 * installed.
 */

const DOCUMENT = 'docs/migrating-from-kube-fledged.md'
const NAMESPACE = 'kube-fledged'
const COMPONENTS = ['controller', 'webhook-server'] as const
/** A test that waits for nine rollouts, and once for a compiler. */
const TIMEOUT_MS = 900_000

beforeAll(() => make(cluster, 'remove-kubefledged'))
afterAll(async () => {
  await make(cluster, 'remove-kubefledged')
  await make(cluster, 'deploy-using-yaml')
})

/** Image and time of the last restart of each Deployment. */
async function deployments(): Promise<Record<string, string>> {
  const restarted = '{.spec.template.metadata.annotations.kubectl\\.kubernetes\\.io/restartedAt}'
  const what = `{.metadata.name}={.spec.template.spec.containers[0].image} ${restarted}`
  const text = await cluster.kubectl([
    '-n',
    NAMESPACE,
    'get',
    'deployments',
    '-o',
    `jsonpath={range .items[*]}${what}{"\\n"}{end}`,
  ])
  return Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map(line => line.trim().split('=')),
  )
}

describe('make update', () => {
  test('says in a sentence that nothing is installed', async () => {
    await expect(make(cluster, 'update')).rejects.toThrow(
      'There is no kubefledged-controller in the namespace kube-fledged to update: make deploy-using-yaml installs it.',
    )
  })
})

/** The image of a component of kube-fledged. */
const old = (component: string) => `registry.test.local/senthilrch/kubefledged-${component}:v0.11.0`

describe.skipIf(!cluster.isLocal)('an installation of kube-fledged 0.11', () => {
  test('is updated with its image caches and comes back, by the commands of the document', {
    timeout: TIMEOUT_MS,
  }, async ({ namespace }) => {
    const checkout = await checkoutOldRelease(cluster)
    onTestFinished(() => rm(checkout, { recursive: true }))
    await runCommands(cluster, 'make deploy-using-yaml', checkout)
    const caches = await OldCaches.make(namespace)

    const [update = ''] = await commandsOf(DOCUMENT, 'YAML')
    const names = await imageNames(cluster)
    const { CONTROLLER_IMAGE_REPO, WEBHOOK_SERVER_IMAGE_REPO, RELEASE_VERSION } = names
    await runCommands(cluster, update, ROOT, names)
    const updated = await deployments()
    expect(updated).toEqual({
      'kubefledged-controller': `${CONTROLLER_IMAGE_REPO}:${RELEASE_VERSION}`,
      'kubefledged-webhook-server': `${WEBHOOK_SERVER_IMAGE_REPO}:${RELEASE_VERSION}`,
    })
    for (const component of COMPONENTS) {
      const subjects = 'jsonpath={.subjects[*].name}'
      const binding = ['get', 'clusterrolebinding', `kubefledged-${component}`, '-o', subjects]
      expect(await cluster.kubectl(binding)).toBe(`kubefledged-${component}`)
    }
    await caches.expectTakenOver()

    await make(cluster, 'update')
    const restarted = await deployments()
    for (const [name, image] of Object.entries(updated)) {
      expect(restarted[name], 'an update of what is up to date restarts it').toMatch(
        new RegExp(`^${image} \\d{4}-`),
      )
    }

    const [prepare = '', back = ''] = await commandsOf(DOCUMENT, 'Going back')
    await runCommands(cluster, `${prepare}${back}`, checkout)
    expect(Object.values(await deployments()).map(text => text.split(' ')[0])).toEqual(COMPONENTS.map(old))
    await caches.expectGivenBack()
  })
})
