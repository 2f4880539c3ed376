import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiServer } from '../../harness/api-server.ts'
import { eventually } from '../../harness/eventually.ts'
import {
  type ConfigMap,
  changesOf,
  configMap,
  connect,
  identities,
  newLog,
  newNamespace,
  runInformer,
  startFront,
} from './fixture.ts'

const SOON = AbortSignal.timeout(100_000)

describe('an informer of an API server without watch-list', () => {
  let server: ApiServer
  beforeAll(async () => {
    server = await ApiServer.start({ args: ['--feature-gates=WatchList=false'] })
  })
  afterAll(() => server.stop())

  it('lists in pages of 500 and goes on with a watch', async () => {
    const admin = connect({ kubeconfig: server.kubeconfig })
    const { namespace, configMaps } = await newNamespace(admin)
    const names = Array.from({ length: 1203 }, (_, i) => `c-${i}`)
    for (let i = 0; i < names.length; i += 50) {
      await Promise.all(names.slice(i, i + 50).map(name => configMaps.create(configMap(namespace, name))))
    }
    const client = connect({ kubeconfig: server.kubeconfig })
    const { log, lines } = newLog()
    const { informer } = runInformer(client.resource<ConfigMap>(configMaps.def), { namespace, log })
    const changes = changesOf(informer)
    await informer.waitForSync(SOON)
    expect(informer.size).toBe(1203)
    expect(client.requestCount.list).toBe(3)
    expect(lines.filter(line => line.startsWith('the API server gives no watch-list'))).toHaveLength(1)
    expect(lines.some(line => line.includes('sendInitialEvents is forbidden'))).toBe(true)

    await configMaps.create(configMap(namespace, 'new', '1'))
    await configMaps.delete({ namespace, name: 'c-7' })
    await eventually('the changes', async () => changes.includes('deleted c-7='))
    expect(changes).toContain('added new=1')
    expect(identities(informer.list())).toEqual(identities((await configMaps.list({ namespace })).items))
    expect(client.requestCount).toMatchObject({ list: 3, watch: 2 })
  })
})

describe('an informer of a server that ignores sendInitialEvents', () => {
  it.each([
    ['sends nothing more', '', 'no initial events came'],
    [
      'sends a bookmark of another kind',
      `${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '1' } } })}\n`,
      'a bookmark came before the end of the initial events',
    ],
  ])('lists in pages when it %s', async (_, sentThen, why) => {
    const { namespace, configMaps } = await newNamespace(connect())
    const object = await configMaps.create(configMap(namespace, 'a', '1'))
    const front = await startFront()
    const added = `${JSON.stringify({ type: 'ADDED', object })}\n`
    front.rule = ({ query }) =>
      query.get('sendInitialEvents') === 'true'
        ? { status: 200, body: added + sentThen, open: true }
        : undefined
    const client = connect({ server: front.url })
    const { log, lines } = newLog()
    const { informer } = runInformer(client.resource<ConfigMap>(configMaps.def), {
      namespace,
      log,
      timing: { initialSilenceMs: 500 },
    })
    const changes = changesOf(informer)
    await informer.waitForSync(SOON)
    expect(lines.some(line => line.includes(why))).toBe(true)
    expect(client.requestCount.list).toBe(1)
    await configMaps.create(configMap(namespace, 'b', '1'))
    await eventually('the addition', async () => changes.length === 2)
    expect(changes).toEqual(['added a=1', 'added b=1'])
  })
})

it('an informer uses watch-lists again after one that got no answer', async () => {
  const { namespace, configMaps } = await newNamespace(connect())
  await configMaps.create(configMap(namespace, 'a', '1'))
  const front = await startFront()
  front.rule = ({ query }) => (query.get('sendInitialEvents') ? { status: 200, open: true } : undefined)
  const client = connect({ server: front.url })
  const { informer } = runInformer(client.resource<ConfigMap>(configMaps.def), {
    namespace,
    timing: { initialSilenceMs: 500, watchSeconds: 1 },
  })
  await informer.waitForSync(SOON)
  expect(client.requestCount.list).toBe(1)

  const gone = JSON.stringify({ kind: 'Status', status: 'Failure', reason: 'Expired', code: 410 })
  let expired = 0
  front.rule = ({ query }) => {
    if (!query.get('watch') || query.get('sendInitialEvents') || expired > 0) return undefined
    expired++
    return { status: 410, headers: { 'content-type': 'application/json' }, body: gone }
  }
  await eventually('a watch-list', async () => {
    const last = front.seen.filter(({ query }) => query.get('sendInitialEvents')).length
    return expired === 1 && last === 2
  })
  await configMaps.create(configMap(namespace, 'b', '1'))
  await eventually('the addition', async () => informer.size === 2)
  expect(client.requestCount.list).toBe(1)
})
