import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { imageCacheOf } from '../../builders/image-cache.ts'
import { REFRESH_ANNOTATION } from '../../../src/api/constants.ts'
import type { CacheList, ImageCache } from '../../../src/api/image-cache.ts'
import { SECRETS } from '../../../src/programs/webhook/certificate/secret.ts'
import { binary } from '../../harness/binaries.ts'
import { eventually } from '../../harness/eventually.ts'
import { codeOf, kubeErrorOf, uniqueName } from '../kube/fixture.ts'
import { Installation, NAMES } from './installation.ts'
import { ServiceFront, WebhookProcess } from './servers.ts'

const execute = promisify(execFile)

let installation: Installation
let kubeconfig: string
beforeAll(async () => {
  installation = await Installation.start()
  kubeconfig = `--kubeconfig=${await installation.kubeconfigOf(NAMES.account)}`
})
afterAll(() => installation[Symbol.asyncDispose]())
afterEach(() => installation.clear())

const DENIED = 'admission webhook "validate-image-cache.kubefledged.io" denied the request: '
const DUPLICATE = `${DENIED}Duplicate image names within image list: a:1`

const cacheOf = (lists: CacheList[], name = uniqueName('cache')) =>
  imageCacheOf({ name, namespace: 'default' }, { cacheSpec: lists })
const listed = (...images: string[]) => cacheOf([{ images }])
const patchTo = (cache: ImageCache, patch: object) =>
  installation.caches.mergePatch({ name: cache.metadata.name, namespace: 'default' }, patch)
/** The API server's error text for a new object. Undefined when it accepts the object. */
const refusalOf = (cache: ImageCache) =>
  installation.caches.create(cache, { dryRun: true }).then(
    () => '',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
/** Resolves when the API server trusts the webhook server. */
const answered = () =>
  eventually('the webhook to be asked', async () => {
    return (await refusalOf(listed('a:1', 'a:1'))).includes(DUPLICATE)
  })

async function startServers(count: number): Promise<WebhookProcess[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => WebhookProcess.start(kubeconfig)))
  for (const server of servers) onTestFinished(() => server[Symbol.asyncDispose]())
  return servers
}

async function startFront(servers: readonly WebhookProcess[]): Promise<ServiceFront> {
  const front = await ServiceFront.start(...servers.map(({ port }) => port))
  onTestFinished(() => front[Symbol.asyncDispose]())
  return front
}

async function startWebhook(count: number): Promise<WebhookProcess[]> {
  const servers = await startServers(count)
  await installation.configure((await startFront(servers)).port)
  await answered()
  return servers
}

describe('the API server asks the webhook', () => {
  it('and rejects invalid objects and edits with the reason', async () => {
    await startWebhook(1)
    const { caches } = installation
    expect((await kubeErrorOf(caches.create(listed('a:1', 'a:1')))).message).toContain(DUPLICATE)
    expect((await kubeErrorOf(caches.create(listed('nginx; reboot')))).message).toContain(
      `${DENIED}invalid image reference "nginx; reboot": ";" is not allowed (position 6)`,
    )
    const cache = await caches.create(cacheOf([{ images: ['a:1'], nodeSelector: { tier: 'a' } }]))
    const lists = (...cacheSpec: CacheList[]) => patchTo(cache, { spec: { cacheSpec } })
    await lists({ images: ['a:1'], nodeSelector: { tier: 'b' } }, { images: [] })
    await lists()
    expect((await kubeErrorOf(lists({ images: ['a:1', 'docker.io/library/a:1'] }))).message).toContain(
      `${DENIED}Duplicate image names within image list: docker.io/library/a:1 (the same image as a:1)`,
    )
    expect((await caches.get({ name: cache.metadata.name, namespace: 'default' })).spec.cacheSpec).toEqual([])
  })

  it('and passes warnings on to the user of kubectl', async () => {
    await startWebhook(1)
    const args = ['--kubeconfig', installation.api.kubeconfig, 'create', '--dry-run=server', '-f', '-']
    const kubectl = execute(binary('kubectl'), args)
    kubectl.child.stdin?.end(JSON.stringify(listed('nginx')))
    expect((await kubectl).stderr).toBe(
      'Warning: nginx: without a tag :latest is meant, and it is asked for again at every refresh, whatever the pull policy\n',
    )
  })

  it('and accepts edits of objects that are older than the webhook', async () => {
    const { caches } = installation
    const cache = await caches.create(listed('a:1', 'a:1', 'A B'))
    await startWebhook(1)
    await patchTo(cache, { spec: { cacheSpec: [{ images: ['a:1', 'a:1', 'A B', 'c:1'] }] } })
    const more = patchTo(cache, { spec: { cacheSpec: [{ images: ['a:1', 'a:1', 'A B', 'C D'] }] } })
    expect((await kubeErrorOf(more)).message).toContain(`${DENIED}invalid image reference "C D"`)
  })

  it('nothing for writes without spec change and writes of the controller: they succeed without a server', async () => {
    const { caches } = installation
    const cache = await caches.create(listed('a:1'))
    await caches.create(listed('b:1'))
    await installation.configure(1)
    await eventually('the webhook to be in force', async () => {
      return (await refusalOf(listed('a:1'))).includes('failed calling webhook')
    })
    const target = { name: cache.metadata.name, namespace: 'default' }
    await patchTo(cache, { metadata: { annotations: { [REFRESH_ANNOTATION]: '' } } })
    await patchTo(cache, {
      metadata: { annotations: { [REFRESH_ANNOTATION]: null }, finalizers: ['kubefledged.io/x'] },
    })
    await patchTo(cache, { metadata: { finalizers: null } })
    await caches.mergePatch(target, { status: { status: 'Succeeded' } }, { subresource: 'status' })
    expect((await kubeErrorOf(patchTo(cache, { spec: { suspend: true } }))).message).toContain(
      'failed calling webhook',
    )
    const asController = await installation.cachesOf(NAMES.controller)
    await asController.mergePatch(target, { spec: { suspend: true } })
    await caches.delete(target)
    expect(await codeOf(caches.get(target))).toBe('NotFound')
  })
})

describe('two servers', () => {
  it('share one certificate, and no request fails when one of them stops', async () => {
    const [first] = await startWebhook(2)
    const failures: string[] = []
    let allowed = 0
    let refused = 0
    const stop = new AbortController()
    const ask = async () => {
      while (!stop.signal.aborted) {
        const good = await refusalOf(listed('a:1'))
        if (good === '') allowed += 1
        else failures.push(good)
        const bad = await refusalOf(listed('a:1', 'a:1'))
        if (bad.includes(DUPLICATE)) refused += 1
        else failures.push(bad)
      }
    }
    const asking = Promise.all(Array.from({ length: 4 }, ask))
    await eventually('questions', async () => allowed > 50)
    await first?.end()
    const before = allowed
    await eventually('more questions', async () => allowed > before + 50)
    stop.abort()
    await asking
    expect(failures).toEqual([])
    expect(refused).toBeGreaterThan(100)
  })
})

describe('the CA bundle', () => {
  it('is repaired after it was changed, emptied or created again', async () => {
    const servers = await startWebhook(2)
    const right = await installation.bundle()
    const repaired = () =>
      eventually('the bundle to be right', async () => (await installation.bundle()) === right)
    const { configurations } = installation
    const reset = async (caBundle: string | undefined) => {
      const configuration = await configurations.get({ name: NAMES.configuration })
      const webhooks = configuration.webhooks?.map(webhook => {
        const { caBundle: _, ...clientConfig } = webhook.clientConfig
        return { ...webhook, clientConfig: { ...clientConfig, ...(caBundle && { caBundle }) } }
      })
      await configurations.replace({ ...configuration, webhooks: webhooks ?? [] })
    }
    const others = await readFile(installation.api.pki.path('ca.crt'), 'utf8')
    await reset(Buffer.from(others, 'utf8').toString('base64'))
    // for a while: another replica may use a certificate of this authority
    await eventually('both', async () => (await installation.bundle()) === right + others)
    await answered()
    await reset(undefined)
    await repaired()
    await configurations.delete({ name: NAMES.configuration })
    await installation.configure((await startFront(servers)).port)
    await repaired()
    await answered()
  })

  it('does not change when the Secret is deleted', async () => {
    await startWebhook(2)
    const right = await installation.bundle()
    const secret = { name: NAMES.secret, namespace: NAMES.namespace }
    const before = await installation.secrets.get(secret)
    await installation.secrets.delete(secret)
    const after = await eventually('the Secret', () => installation.secrets.get(secret))
    expect(after.metadata.uid).not.toBe(before.metadata.uid)
    expect(after.data).toEqual(before.data)
    expect(after.type).toBe('kubernetes.io/tls')
    await answered()
    expect(await installation.bundle()).toBe(right)
  })
})

describe('the rights of a server', () => {
  it('cover only its own Secret and configuration', async () => {
    const client = await installation.clientOf(NAMES.account)
    const { namespace } = NAMES
    const secrets = client.resource(SECRETS)
    expect(await codeOf(secrets.list({ namespace }))).toBe('Forbidden')
    expect(await codeOf(secrets.get({ name: 'other', namespace }))).toBe('Forbidden')
    expect(await codeOf(secrets.get({ name: NAMES.secret, namespace: 'default' }))).toBe('Forbidden')
    expect(await codeOf(secrets.delete({ name: NAMES.secret, namespace }))).toBe('Forbidden')
    const configurations = client.resource(installation.configurations.def)
    expect(await codeOf(configurations.list())).toBe('Forbidden')
    expect(await codeOf(configurations.mergePatch({ name: 'other' }, {}))).toBe('Forbidden')
    expect(await codeOf(client.resource(installation.caches.def).list())).toBe('Forbidden')
  })
})
