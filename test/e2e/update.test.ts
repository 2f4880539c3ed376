import { afterAll, beforeAll, describe, expect } from 'vitest'
import { uniqueName } from '../harness/cluster.ts'
import { pushImage } from '../harness/image-builder.ts'
import { createCache, getCache, waitForStatus } from '../harness/image-caches.ts'
import { imageNames, make } from '../harness/make.ts'
import { oldManifests } from '../harness/old-release.ts'
import { cluster, test } from './fixtures.ts'

/** An installation of kube-fledged by its manifests, brought to this release and back, in the place of what the other tests have installed. */

const NAMESPACE = 'kube-fledged'
const COMPONENTS = ['controller', 'webhook-server'] as const
const DEFINITION = 'imagecaches.kubefledged.io'
/** A test that waits for five rollouts. */
const TIMEOUT_MS = 400_000

const apply = (items: readonly object[]) =>
  cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) })

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

  test('takes over what kube-fledged had installed, restarts it when it is up to date, and lets it go back', {
    timeout: TIMEOUT_MS,
  }, async ({ namespace }) => {
    const old = oldManifests('registry.test.local/pause:1')
    // The definition first: what comes after it in a list may be of its kind.
    await apply(old.slice(0, 2))
    await cluster.kubectl(['wait', '--for=condition=Established', `crd/${DEFINITION}`])
    await apply(old)
    const target = `update/${uniqueName('image')}:1`
    await pushImage(cluster.openRegistry(), target)
    const cache = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [`registry.test.local/${target}`] }],
    })
    const status = {
      status: 'Processing',
      reason: 'ImageCacheCreate',
      message: '',
      startTime: '2026-01-01T00:00:00Z',
    }
    const patch = ['patch', 'imagecache', cache.name, '-n', namespace, '--type=merge']
    await cluster.kubectl([...patch, '-p', JSON.stringify({ status })])

    await make(cluster, 'update')
    await waitForStatus(cluster, cache, 'Succeeded')
    const { CONTROLLER_IMAGE_REPO, WEBHOOK_SERVER_IMAGE_REPO, RELEASE_VERSION } = await imageNames(cluster)
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
    await expect(
      createCache(cluster, namespace, { cacheSpec: [{ images: ['a:1', 'a:1'] }] }),
    ).rejects.toThrow('Duplicate image names within image list: a:1')

    await make(cluster, 'update')
    const restarted = await deployments()
    for (const [name, image] of Object.entries(updated)) {
      expect(restarted[name]).toMatch(new RegExp(`^${image} \\d{4}-`))
    }

    // The way back that docs/migrating-from-kube-fledged.md describes.
    await apply(old)
    await cluster.kubectl([...patch, '-p', JSON.stringify({ status })])
    expect((await getCache(cluster, cache)).status).toMatchObject(status)
    expect(Object.values(await deployments())).toEqual(
      COMPONENTS.map(() => expect.stringMatching(/^registry\.test\.local\/pause:1/)),
    )
  })
})
