import { describe, expect, it } from 'vitest'
import { fixedCredential } from '../../../src/kube/credentials.ts'
import { KubeClient, loadConfig } from '../../../src/kube/index.ts'
import { TcpProxy } from '../../harness/tcp-proxy.ts'
import { sharedApiServer } from '../shared-api-server.ts'
import {
  CONFIG_MAPS,
  codeOf,
  configMap,
  connect,
  kubeErrorOf,
  NODES,
  type Node,
  newNamespace,
  uniqueName,
} from './fixture.ts'

describe('an object', () => {
  it('is created, read, replaced, patched and deleted', async () => {
    const client = connect()
    const { namespace, configMaps } = await newNamespace(client)
    const created = await configMaps.create(configMap(namespace, 'a', '1'))
    expect(created).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', data: { value: '1' } })
    expect(await configMaps.get({ namespace, name: 'a' })).toEqual(created)

    const replaced = await configMaps.replace({ ...created, data: { value: '2', other: 'x' } })
    expect(replaced.metadata.uid).toBe(created.metadata.uid)
    const patched = await configMaps.mergePatch(
      { namespace, name: 'a' },
      { data: { other: null, third: 'y' } },
    )
    expect(patched.data).toEqual({ value: '2', third: 'y' })
    expect((await configMaps.get({ namespace, name: 'a' })).data).toEqual({ value: '2', third: 'y' })

    await configMaps.delete({ namespace, name: 'a' })
    expect(await codeOf(configMaps.get({ namespace, name: 'a' }))).toBe('NotFound')
    expect(await codeOf(configMaps.delete({ namespace, name: 'a' }))).toBe('NotFound')
  })

  it('is not written by a dry run', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    await configMaps.create(configMap(namespace, 'a', '1'), { dryRun: true })
    expect(await codeOf(configMaps.get({ namespace, name: 'a' }))).toBe('NotFound')
    await configMaps.create(configMap(namespace, 'a', '1'))
    await configMaps.mergePatch({ namespace, name: 'a' }, { data: { value: '2' } }, { dryRun: true })
    expect((await configMaps.get({ namespace, name: 'a' })).data).toEqual({ value: '1' })
  })

  it('is not replaced or patched from a stale copy', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    const stale = await configMaps.create(configMap(namespace, 'a', '1'))
    await configMaps.mergePatch({ namespace, name: 'a' }, { data: { value: '2' } })
    const error = await kubeErrorOf(configMaps.replace({ ...stale, data: { value: '3' } }))
    expect(error).toMatchObject({ code: 'Conflict', status: 409, reason: 'Conflict', retryable: false })
    expect(error.message).toContain('the object has been modified')
    const { resourceVersion } = stale.metadata
    expect(
      await codeOf(
        configMaps.mergePatch(
          { namespace, name: 'a' },
          { metadata: { resourceVersion }, data: { value: '3' } },
        ),
      ),
    ).toBe('Conflict')
    expect((await configMaps.get({ namespace, name: 'a' })).data).toEqual({ value: '2' })
  })

  it('is not deleted when a precondition fails', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    const first = await configMaps.create(configMap(namespace, 'a', '1'))
    const second = await configMaps.mergePatch({ namespace, name: 'a' }, { data: { value: '2' } })
    const target = { namespace, name: 'a' }
    const { uid, resourceVersion } = second.metadata
    expect(await codeOf(configMaps.delete(target, { preconditions: { uid: 'another' } }))).toBe('Conflict')
    const stale = { uid, resourceVersion: first.metadata.resourceVersion }
    expect(await codeOf(configMaps.delete(target, { preconditions: stale }))).toBe('Conflict')
    await configMaps.delete(target, { preconditions: { uid, resourceVersion } })
    expect(await codeOf(configMaps.get(target))).toBe('NotFound')
  })
})

describe('the status subresource', () => {
  it('writes the status alone', async () => {
    const nodes = connect().resource<Node>(NODES)
    const name = uniqueName('node')
    const created = await nodes.create({ metadata: { name }, spec: { unschedulable: true } })
    const patch = { spec: { unschedulable: null }, status: { capacity: { cpu: '4' } } }
    const patched = await nodes.mergePatch({ name }, patch, { subresource: 'status' })
    expect(patched.status?.capacity).toEqual({ cpu: '4' })
    expect(patched.spec?.unschedulable).toBe(true)
    const replaced = await nodes.replace(
      { ...patched, status: { capacity: { cpu: '8' } }, spec: {} },
      { subresource: 'status' },
    )
    expect(replaced.status?.capacity).toEqual({ cpu: '8' })
    expect(replaced.spec?.unschedulable).toBe(true)
    expect(await codeOf(nodes.replace({ ...created, status: {} }, { subresource: 'status' }))).toBe(
      'Conflict',
    )
    await nodes.delete({ name })
  })
})

describe('server-side apply', () => {
  it('creates, removes omitted fields, and keeps fields of others', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    const metadata = { namespace, name: 'a' }
    await configMaps.apply({ metadata, data: { mine: '1', also: '1' } }, { fieldManager: 'we' })
    await configMaps.apply({ metadata, data: { theirs: '1' } }, { fieldManager: 'they' })
    const applied = await configMaps.apply({ metadata, data: { mine: '2' } }, { fieldManager: 'we' })
    expect(applied.data).toEqual({ mine: '2', theirs: '1' })
  })

  it("conflicts over another manager's field unless it is forced", async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    const metadata = { namespace, name: 'a' }
    await configMaps.apply({ metadata, data: { value: '1' } }, { fieldManager: 'they' })
    const error = await kubeErrorOf(
      configMaps.apply({ metadata, data: { value: '2' } }, { fieldManager: 'we' }),
    )
    expect(error.code).toBe('Conflict')
    expect(error.message).toContain('conflict with "they"')
    const forced = await configMaps.apply(
      { metadata, data: { value: '2' } },
      { fieldManager: 'we', force: true },
    )
    expect(forced.data).toEqual({ value: '2' })
  })

  it('applies a status', async () => {
    const nodes = connect().resource<Node>(NODES)
    const name = uniqueName('node')
    await nodes.create({ metadata: { name } })
    const applied = await nodes.apply(
      { metadata: { name }, status: { capacity: { cpu: '2' } } },
      { fieldManager: 'we', subresource: 'status' },
    )
    expect(applied.status?.capacity).toEqual({ cpu: '2' })
    await nodes.delete({ name })
  })
})

describe('a collection', () => {
  it('is listed by selector and in pages', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    for (let i = 0; i < 5; i++) {
      const labels = { odd: String(i % 2 === 1) }
      await configMaps.create({ metadata: { namespace, name: `c-${i}`, labels } })
    }
    const odd = await configMaps.list({ namespace, labelSelector: 'odd=true' })
    expect(odd.items.map(({ metadata }) => metadata.name)).toEqual(['c-1', 'c-3'])
    expect(odd.items[0]).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' })
    const one = await configMaps.list({ namespace, fieldSelector: 'metadata.name=c-4' })
    expect(one.items.map(({ metadata }) => metadata.name)).toEqual(['c-4'])

    const names: string[] = []
    let next: string | undefined
    let pages = 0
    do {
      const page = await configMaps.list({ namespace, limit: 2, continue: next })
      names.push(...page.items.map(({ metadata }) => metadata.name))
      next = page.continue
      pages++
      expect(page.resourceVersion).toMatch(/^\d+$/)
    } while (next !== undefined)
    expect(pages).toBe(3)
    expect(names).toEqual(['c-0', 'c-1', 'c-2', 'c-3', 'c-4'])
  })

  it('is a BadRequest for an invalid continue token', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    expect(await codeOf(configMaps.list({ namespace, limit: 1, continue: 'nonsense' }))).toBe('BadRequest')
  })
})

describe('an error', () => {
  it("carries the API server's words, the verb and the path", async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    const error = await kubeErrorOf(configMaps.get({ namespace, name: 'none' }))
    expect(error).toMatchObject({ code: 'NotFound', status: 404, reason: 'NotFound', retryable: false })
    expect(error.message).toBe(
      `configmaps "none" not found (get /api/v1/namespaces/${namespace}/configmaps/none: 404)`,
    )
  })

  it('names the rule that an invalid object breaks, and the name that is in use', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    expect(await codeOf(configMaps.create(configMap(namespace, 'Not_A_Name')))).toBe('Invalid')
    await configMaps.create(configMap(namespace, 'a'))
    expect(await codeOf(configMaps.create(configMap(namespace, 'a')))).toBe('AlreadyExists')
  })

  it('distinguishes a client without rights from one without identity', async () => {
    const config = loadConfig({ kubeconfig: sharedApiServer().kubeconfig })
    const anonymous = new KubeClient({ ...config, credentials: fixedCredential({}) })
    expect(await codeOf(anonymous.resource(CONFIG_MAPS).list())).toBe('Forbidden')
    anonymous.close()
    const unknown = new KubeClient({ ...config, credentials: fixedCredential({ token: 'nonsense' }) })
    expect(await codeOf(unknown.resource(CONFIG_MAPS).list())).toBe('Unauthorized')
    unknown.close()
  })

  it('is Unreachable when nothing listens, and when the certificate is not of our authority', async () => {
    await using proxy = await TcpProxy.start(Number(new URL(sharedApiServer().url).port))
    proxy.block()
    const blocked = connect({ server: `https://127.0.0.1:${proxy.port}` })
    expect(await codeOf(blocked.serverVersion())).toBe('Unreachable')

    const strangers = new KubeClient({ server: sharedApiServer().url, credentials: fixedCredential({}) })
    const error = await kubeErrorOf(strangers.serverVersion())
    expect(error.code).toBe('Unreachable')
    expect(error.message).toMatch(/certificate/)
    strangers.close()
  })

  it('is Timeout without an answer, Aborted when the caller aborts', async () => {
    await using proxy = await TcpProxy.start(Number(new URL(sharedApiServer().url).port))
    const client = connect({ server: `https://127.0.0.1:${proxy.port}`, timeoutMs: 500 })
    await client.serverVersion()
    proxy.silence()
    const error = await kubeErrorOf(client.serverVersion())
    expect(error).toMatchObject({ code: 'Timeout', retryable: true })

    await client.serverVersion()
    proxy.silence()
    const controller = new AbortController()
    const request = codeOf(client.serverVersion(controller.signal))
    controller.abort()
    expect(await request).toBe('Aborted')
    expect(await codeOf(client.serverVersion(AbortSignal.abort()))).toBe('Aborted')
    client.close()
    expect(await codeOf(client.serverVersion())).toBe('Aborted')
  })

  it('is not caused by a connection that broke between two requests', async () => {
    await using proxy = await TcpProxy.start(Number(new URL(sharedApiServer().url).port))
    const client = connect({ server: `https://127.0.0.1:${proxy.port}` })
    await client.serverVersion()
    proxy.cut()
    expect((await client.serverVersion()).major).toBe(1)
  })
})

describe('the client', () => {
  it('knows the version of the server and counts its requests by verb', async () => {
    const client = connect()
    const version = await client.serverVersion()
    expect(version.gitVersion).toMatch(new RegExp(`^v${version.major}\\.${version.minor}\\.`))
    const { namespace, configMaps } = await newNamespace(client)
    await configMaps.create(configMap(namespace, 'a'))
    await configMaps.mergePatch({ namespace, name: 'a' }, { data: { value: '1' } })
    await configMaps.list({ namespace })
    await configMaps.delete({ namespace, name: 'a' })
    expect(client.requestCount).toEqual({
      get: 1,
      list: 1,
      watch: 0,
      create: 2,
      update: 0,
      patch: 1,
      delete: 1,
    })
  })

  it('uses one connection for consecutive requests', async () => {
    await using proxy = await TcpProxy.start(Number(new URL(sharedApiServer().url).port))
    const client = connect({ server: `https://127.0.0.1:${proxy.port}` })
    for (let i = 0; i < 20; i++) await client.serverVersion()
    expect(proxy.connections).toBe(1)
    expect(proxy.accepted).toBe(1)
  })
})
