import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished } from 'vitest'
import { ROOT } from '../harness/cluster-env.ts'
import { eventually, uniqueName } from '../harness/cluster.ts'
import { InstalledController } from '../harness/controller.ts'
import { helm } from '../harness/helm.ts'
import { pushImage } from '../harness/image-builder.ts'
import { createCache, getCache, waitForStatus } from '../harness/image-caches.ts'
import { imageNames, make } from '../harness/make.ts'
import { OLD_CHART, checkoutOldRelease, oldImageArguments } from '../harness/old-release.ts'
import { cluster, test } from './fixtures.ts'

/** The life of an installation by the operator, in the place of what the other tests have installed. */

const NAME = 'kube-fledged'
const NAMESPACE = 'kube-fledged'
const OBJECT = `kubefledged/${NAME}`
const CONTROLLER = `deployment/${NAME}-controller`
const DEFINITION = 'kubefledgeds.charts.helm.kubefledged.io'
const operator = new InstalledController(cluster, 'kubefledged-operator')
const kubectl = (...args: string[]) => cluster.kubectl(['-n', NAMESPACE, ...args])

interface KubeFledged {
  readonly metadata: { readonly generation: number; readonly finalizers?: readonly string[] }
  readonly status?: {
    readonly observedGeneration?: number
    readonly conditions?: readonly { type: string; status: string; reason?: string; message?: string }[]
    readonly deployedRelease?: {
      readonly name: string
      readonly revision: number
      readonly manifest?: string
    }
  }
}

const get = () => cluster.kubectlJson<KubeFledged>(['-n', NAMESPACE, 'get', OBJECT])

/** Changes the values as a merge patch does, and answers the object once the operator has dealt with them. */
async function edit(spec: object): Promise<KubeFledged> {
  await kubectl('patch', OBJECT, '--type=merge', `--patch=${JSON.stringify({ spec })}`)
  return carriedOut()
}

function carriedOut(): Promise<KubeFledged> {
  return eventually('the object to be carried out', async () => {
    const object = await get()
    return object.status?.observedGeneration === object.metadata.generation && object
  })
}

function condition({ status }: KubeFledged, type: string) {
  return status?.conditions?.find(one => one.type === type)
}

/** Statuses of helm's revisions by their number. */
async function revisions(): Promise<Record<number, string>> {
  const text = await helm(cluster, 'history', NAME, '-n', NAMESPACE, '-o', 'json')
  const list = JSON.parse(text) as { revision: number; status: string }[]
  return Object.fromEntries(list.map(({ revision, status }) => [revision, status]))
}

const argsOfController = () =>
  kubectl('get', CONTROLLER, '-o', 'jsonpath={.spec.template.spec.containers[0].args}')

const patch = (image: object) =>
  kubectl('patch', OBJECT, '--type=merge', `--patch=${JSON.stringify({ spec: { image } })}`)

/** Has helm wait for a hook whose image there is not. */
async function hangUp(): Promise<void> {
  await patch({ tag: 'nonesuch' })
  await eventually('helm to wait for a hook', async () =>
    Object.values(await revisions()).includes('pending-upgrade'),
  )
}

async function newImage(): Promise<string> {
  const name = `operator/${uniqueName('image')}:1`
  await pushImage(cluster.openRegistry(), name)
  return `registry.test.local/${name}`
}

beforeAll(() => make(cluster, 'remove-kubefledged'))
afterAll(() => make(cluster, 'deploy-using-yaml'))

describe('the operator', () => {
  test('installs what works', async ({ namespace }) => {
    await make(cluster, 'deploy-using-operator')
    expect(condition(await get(), 'Deployed')).toMatchObject({ status: 'True', reason: 'InstallSuccessful' })
    const cache = await createCache(cluster, namespace, { cacheSpec: [{ images: [await newImage()] }] })
    await waitForStatus(cluster, cache, 'Succeeded')
  })

  test('is not removed by the target of another way to install', async () => {
    await expect(make(cluster, 'remove-kubefledged')).rejects.toThrow('make remove-kubefledged-and-operator')
    expect(condition(await get(), 'Deployed')?.status).toBe('True')
  })

  test('adds the webhook server and removes it again', async ({ namespace }) => {
    const wrong = () => createCache(cluster, namespace, { cacheSpec: [{ images: ['a:1', 'a:1'] }] })
    await make(cluster, 'deploy-webhook-server-using-operator')
    await expect(wrong()).rejects.toThrow('Duplicate image names within image list: a:1')
    await make(cluster, 'remove-webhook-server-using-operator')
    await wrong()
    const kinds = 'deployments,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets'
    const left = await Promise.all([
      kubectl('get', kinds, '-o', 'name'),
      kubectl('get', CLUSTER_KINDS, '-o', 'name'),
    ])
    expect(left.join('\n')).not.toContain('webhook-server')
  })

  test('carries out an edit, and says in the words of helm what is wrong with one', async () => {
    const edited = await edit({ args: { controllerJobsMaxSurge: 7 } })
    expect(await argsOfController()).toContain('"--jobs-max-surge=7"')
    const before = await revisions()

    const wrong = await edit({ contoller: {} })
    expect(condition(wrong, 'ReleaseFailed')).toMatchObject({ status: 'True', reason: 'UpgradeError' })
    expect(condition(wrong, 'ReleaseFailed')?.message).toMatch(/contoller.* not allowed/)
    expect(condition(wrong, 'Deployed')?.status, 'what was deployed is deployed still').toBe('True')
    expect(await revisions()).toEqual(before)

    const mended = await edit({ contoller: null })
    expect(condition(mended, 'ReleaseFailed')).toBeUndefined()
    expect(mended.status?.deployedRelease).toEqual(edited.status?.deployedRelease)
    expect(await revisions()).toEqual(before)
  })

  test('puts back what is deleted or changed, without a revision, also after a restart', async () => {
    const before = await revisions()
    await kubectl('delete', CONTROLLER)
    await eventually(
      'the Deployment',
      async () => (await kubectl('get', CONTROLLER, '--ignore-not-found')) !== '',
    )
    await kubectl('scale', CONTROLLER, '--replicas=0')
    await eventually(
      'the replicas',
      async () => (await kubectl('get', CONTROLLER, '-o', 'jsonpath={.spec.replicas}')) === '1',
    )

    // the new process plans anew, and finds nothing to do
    await kubectl('rollout', 'restart', operator.deployment)
    await kubectl('rollout', 'status', operator.deployment)
    await kubectl('delete', CONTROLLER)
    await eventually(
      'the Deployment again',
      async () => (await kubectl('get', CONTROLLER, '--ignore-not-found')) !== '',
    )
    await kubectl('rollout', 'status', CONTROLLER)
    expect(await revisions()).toEqual(before)
    const events = await kubectl(
      'get',
      'events',
      '--field-selector=reason=Repaired',
      '-o',
      'jsonpath={..message}',
    )
    expect(events).toContain(`Deployment ${NAME}-controller`)
  })

  test('goes on in another replica when the one that leads is killed', async () => {
    await kubectl('scale', operator.deployment, '--replicas=2')
    await kubectl('rollout', 'status', operator.deployment)
    const holder = await operator.holder()
    const leader = (await operator.pods()).find(({ name }) => holder.startsWith(`${name}_`))
    if (!leader) throw new Error(`${holder} is none of the Pods`)
    const before = (await get()).status?.deployedRelease?.revision ?? 0
    await operator.signal(leader, 'KILL')
    const { status } = await edit({ args: { controllerJobsMaxSurge: 8 } })
    expect(status?.deployedRelease?.revision).toBe(before + 1)
    expect(await argsOfController()).toContain('"--jobs-max-surge=8"')
    expect(await operator.holder()).not.toBe(holder)
    await kubectl('scale', operator.deployment, '--replicas=1')
    await kubectl('rollout', 'status', operator.deployment)
    await eventually('one Pod', async () => (await operator.pods()).length === 1)
  })

  test('is not held up by what cannot be finished: by a hook of older values, by its own end in the middle', async () => {
    const good = (await cluster.kubectlJson<{ spec: { image: object } }>(['-n', NAMESPACE, 'get', OBJECT]))
      .spec.image
    await hangUp()
    await patch(good)
    expect(condition(await carriedOut(), 'Deployed')?.status).toBe('True')

    await hangUp()
    await operator.signal(await operator.pod(), 'KILL')
    await patch(good)
    const mended = await carriedOut()
    expect(condition(mended, 'ReleaseFailed')).toBeUndefined()
    expect((await revisions())[mended.status?.deployedRelease?.revision ?? 0]).toBe('deployed')
    expect(Object.values(await revisions())).not.toContain('pending-upgrade')
  })

  test('leaves nothing when it is removed with everything, in the middle of an upgrade', async ({
    namespace,
  }) => {
    const image = await newImage()
    const cache = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [image] }],
      deletionPolicy: 'Purge',
    })
    await waitForStatus(cluster, cache, 'Succeeded')
    await hangUp()
    await make(cluster, 'remove-kubefledged-and-operator')
    const names = await cluster.kubectl([
      'get',
      `${CLUSTER_KINDS},namespaces,customresourcedefinitions`,
      '-o',
      'name',
    ])
    expect(names.split('\n').filter(name => /kube-?fledged/.test(name))).toEqual([])
    for (const node of await cluster.nodes()) {
      expect(await cluster.runtimeImages(node), 'the cache was purged before').not.toContain(image)
    }
  })

  test('takes over what another helm-operator left, and uninstalls it', async ({ namespace }) => {
    await cluster.kubectl(['create', 'namespace', NAMESPACE])
    onTestFinished(async () => {
      await make(cluster, 'remove-kubefledged-and-operator')
      await cluster.kubectl(['delete', 'namespace', NAMESPACE, '--ignore-not-found'])
    })
    const checkout = await checkoutOldRelease(cluster)
    onTestFinished(() => rm(checkout, { recursive: true }))
    const images = await oldImageArguments(cluster)
    await helm(cluster, 'install', NAME, join(checkout, OLD_CHART), '-n', NAMESPACE, ...images)
    const uid = () => kubectl('get', CONTROLLER, '-o', 'jsonpath={.metadata.uid}')
    const old = await uid()
    const folder = join(ROOT, 'deploy/kubefledged-operator/deploy/crds')
    await cluster.kubectl(['apply', '-f', join(folder, 'charts.helm.kubefledged.io_kubefledgeds_crd.yaml')])
    await cluster.kubectl(['wait', '--for=condition=Established', `crd/${DEFINITION}`])
    const finalizers = ['helm.sdk.operatorframework.io/uninstall-release']
    const object = {
      apiVersion: 'charts.helm.kubefledged.io/v1alpha2',
      kind: 'KubeFledged',
      metadata: { name: NAME, namespace: NAMESPACE, finalizers },
      spec: { webhookServer: { enable: true }, validatingWebhookCABundle: '' },
    }
    await cluster.kubectl(['create', '-f', '-'], { input: JSON.stringify(object) })
    const status = { deployedRelease: { name: NAME, manifest: 'long' } }
    await kubectl(
      'patch',
      OBJECT,
      '--subresource=status',
      '--type=merge',
      `--patch=${JSON.stringify({ status })}`,
    )

    await make(cluster, 'deploy-using-operator')
    const taken = await get()
    expect(condition(taken, 'Deployed')).toMatchObject({ status: 'True', reason: 'UpgradeSuccessful' })
    // the values of the old object come before those of the new manifest
    expect(taken.status?.deployedRelease).toEqual({ name: NAME, revision: expect.any(Number) })
    expect(taken.metadata.finalizers).toEqual(finalizers)
    expect(await uid()).toBe(old)
    expect(await kubectl('get', OBJECT, '-o', 'jsonpath={.spec.webhookServer.enable}')).toBe('true')
    const { CONTROLLER_IMAGE_REPO, WEBHOOK_SERVER_IMAGE_REPO, RELEASE_VERSION } = await imageNames(cluster)
    const image = (deployment: string) =>
      kubectl('get', deployment, '-o', 'jsonpath={.spec.template.spec.containers[0].image}')
    expect(await image(CONTROLLER)).toBe(`${CONTROLLER_IMAGE_REPO}:${RELEASE_VERSION}`)
    expect(await image(`deployment/${NAME}-webhook-server`), 'what was installed stays installed').toBe(
      `${WEBHOOK_SERVER_IMAGE_REPO}:${RELEASE_VERSION}`,
    )

    const cache = await createCache(cluster, namespace, {
      cacheSpec: [{ images: [await newImage()] }],
      deletionPolicy: 'Purge',
    })
    await waitForStatus(cluster, cache, 'Succeeded')
    expect((await getCache(cluster, cache)).metadata.finalizers).toEqual(['kubefledged.io/purge'])

    await hangUp()
    await kubectl('delete', OBJECT, '--timeout=120s')
    expect((await getCache(cluster, cache)).metadata.finalizers, 'nobody is left to purge').toBeUndefined()
    expect(await kubectl('get', 'deployments', '-l', 'app.kubernetes.io/managed-by=Helm', '-o', 'name')).toBe(
      '',
    )
    expect(await kubectl('get', 'secrets', '-l', 'owner=helm', '-o', 'name')).toBe('')
  })
})

/** Kinds outside of namespaces of which an installation makes objects. */
const CLUSTER_KINDS = 'clusterroles,clusterrolebindings,validatingwebhookconfigurations'
