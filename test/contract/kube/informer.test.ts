import { describe, expect, it } from 'vitest'
import { Informer, type KubeClient, KubeError } from '../../../src/kube/index.ts'
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

/** Number of watch-lists of ConfigMaps that the API server has served. */
async function watchListsServed(client: KubeClient): Promise<number> {
  const chunks: Buffer[] = []
  const body = await client.stream({ verb: 'get', path: '/metrics', silenceTimeoutMs: 10_000 })
  for await (const chunk of body) chunks.push(chunk)
  const lines = Buffer.concat(chunks).toString('utf8').split('\n')
  return lines
    .filter(line => /^apiserver_watch_list_duration_seconds_count\{.*resource="configmaps"/.test(line))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

describe('an informer', () => {
  it('starts with one watch-list and no LIST', async () => {
    const admin = connect()
    const { namespace, configMaps } = await newNamespace(admin)
    for (let i = 0; i < 30; i++) await configMaps.create(configMap(namespace, `c-${i}`))
    const before = await watchListsServed(admin)

    const client = connect()
    const { informer } = runInformer(client.resource<ConfigMap>(configMaps.def), { namespace })
    await informer.waitForSync(SOON)
    expect(informer.hasSynced).toBe(true)
    expect(informer.size).toBe(30)
    expect(client.requestCount).toMatchObject({ list: 0, watch: 1, get: 0 })
    expect((await watchListsServed(admin)) - before).toBe(1)
    expect(identities(informer.list())).toEqual(identities((await configMaps.list({ namespace })).items))
  })

  it('is synced by an empty collection', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    const { informer } = runInformer(configMaps, { namespace })
    await informer.waitForSync(SOON)
    expect(informer.size).toBe(0)
  })

  it('reports each change once and in order', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    await configMaps.create(configMap(namespace, 'a', '1'))
    const { informer } = runInformer(configMaps, { namespace })
    const changes = changesOf(informer)
    await informer.waitForSync(SOON)
    await configMaps.create(configMap(namespace, 'b', '1'))
    await configMaps.mergePatch({ namespace, name: 'a' }, { data: { value: '2' } })
    await configMaps.delete({ namespace, name: 'a' })
    await configMaps.create(configMap(namespace, 'a', '3'))
    await configMaps.delete({ namespace, name: 'b' })
    await eventually('the last change', async () => changes.includes('deleted b=1'))
    expect(changes).toEqual([
      'added a=1',
      'added b=1',
      'updated a=2',
      'deleted a=2',
      'added a=3',
      'deleted b=1',
    ])
    expect(informer.get(`${namespace}/a`)?.data).toEqual({ value: '3' })
    expect(informer.get(`${namespace}/b`)).toBeUndefined()
  })

  it('stores projected objects, and finds them by index', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    await configMaps.create({
      metadata: { namespace, name: 'a', labels: { colour: 'red' } },
      data: { big: 'x' },
    })
    await configMaps.create({ metadata: { namespace, name: 'b', labels: { colour: 'blue' } } })
    const { informer } = runInformer(configMaps, {
      namespace,
      project: ({ metadata: { name, namespace = '', uid = '', resourceVersion = '', labels = {} } }) => ({
        metadata: { name, namespace, uid, resourceVersion, labels },
      }),
      indexers: { colour: ({ metadata }) => Object.values(metadata.labels ?? {}) },
    })
    await informer.waitForSync(SOON)
    expect(informer.get(`${namespace}/a`)?.data).toBeUndefined()
    expect(informer.byIndex('colour', 'red').map(({ metadata }) => metadata.name)).toEqual(['a'])
    await configMaps.mergePatch({ namespace, name: 'a' }, { metadata: { labels: { colour: 'blue' } } })
    await eventually('the new colour', async () => informer.byIndex('colour', 'blue').length === 2)
    expect(informer.byIndex('colour', 'red')).toEqual([])
  })

  it('reports an object that stops matching its selector as deleted, and its return as added', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    await configMaps.create({ metadata: { namespace, name: 'a', labels: { app: 'x' } } })
    await configMaps.create({ metadata: { namespace, name: 'b' } })
    const { informer } = runInformer(configMaps, { namespace, labelSelector: 'app=x' })
    await informer.waitForSync(SOON)
    expect(informer.size).toBe(1)
    await configMaps.mergePatch({ namespace, name: 'a' }, { metadata: { labels: { app: null } } })
    await eventually('it to go', async () => informer.size === 0)
    await configMaps.mergePatch({ namespace, name: 'a' }, { metadata: { labels: { app: 'x' } } })
    await eventually('it to come back', async () => informer.size === 1)
  })

  it('continues when a subscriber throws', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    const { log, lines } = newLog()
    const { informer } = runInformer(configMaps, { namespace, log })
    informer.subscribe(() => {
      throw new Error('subscriber')
    })
    const changes = changesOf(informer)
    await informer.waitForSync(SOON)
    await configMaps.create(configMap(namespace, 'a', '1'))
    await configMaps.create(configMap(namespace, 'b', '1'))
    await eventually('both', async () => changes.length === 2)
    expect(lines.filter(line => line.startsWith('change handler failed'))).toHaveLength(2)
  })

  it('ends when its signal fires, and only then', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    const { informer, stop } = runInformer(configMaps, { namespace })
    await informer.waitForSync(SOON)
    await stop()
    await configMaps.create(configMap(namespace, 'late'))
    expect(informer.size).toBe(0)
    const never = new Informer(configMaps, { namespace })
    await expect(never.waitForSync(AbortSignal.timeout(10))).rejects.toBeInstanceOf(KubeError)
  })

  it('continues from the last version when the server ends a watch', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    const front = await startFront()
    const { informer } = runInformer(connect({ server: front.url }).resource<ConfigMap>(configMaps.def), {
      namespace,
      timing: { watchSeconds: 1 },
    })
    const changes = changesOf(informer)
    await informer.waitForSync(SOON)
    let created = 0
    while (front.seen.length < 4) {
      const name = `c-${created++}`
      await configMaps.create(configMap(namespace, name))
      await eventually('the object', async () => informer.get(`${namespace}/${name}`) !== undefined)
      await new Promise(resolve => setTimeout(resolve, 100))
    }
    expect(changes).toHaveLength(created)
    const [first, ...later] = front.seen.map(({ query }) => query)
    expect(first?.get('sendInitialEvents')).toBe('true')
    for (const query of later) {
      expect(query.get('watch')).toBe('true')
      expect(query.get('sendInitialEvents')).toBeNull()
      expect(Number(query.get('resourceVersion'))).toBeGreaterThan(0)
      expect(query.get('allowWatchBookmarks')).toBe('true')
    }
  })
})

describe('read-your-writes', () => {
  it('shows a write at once and reports it once', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    const { informer } = runInformer(configMaps, { namespace })
    const changes = changesOf(informer)
    await informer.waitForSync(SOON)
    for (let i = 0; i < 50; i++) {
      const created = await configMaps.create(configMap(namespace, `c-${i}`, '1'))
      informer.upsert(created)
      expect(informer.get(`${namespace}/c-${i}`)?.metadata.resourceVersion).toBe(
        created.metadata.resourceVersion,
      )
    }
    await configMaps.create(configMap(namespace, 'end'))
    await eventually('the end', async () => informer.get(`${namespace}/end`) !== undefined)
    expect(changes).toHaveLength(51)
    expect(new Set(changes).size).toBe(51)
  })

  it('never returns to an older state, and never restores a deleted object', async () => {
    const { namespace, configMaps } = await newNamespace(connect())
    const { informer } = runInformer(configMaps, { namespace })
    const changes = changesOf(informer)
    await informer.waitForSync(SOON)
    const first = await configMaps.create(configMap(namespace, 'a', '1'))
    const second = await configMaps.mergePatch({ namespace, name: 'a' }, { data: { value: '2' } })
    informer.upsert(second)
    informer.upsert(first)
    expect(informer.get(`${namespace}/a`)?.data).toEqual({ value: '2' })
    await configMaps.delete({ namespace, name: 'a' })
    await eventually('the deletion', async () => informer.size === 0)
    informer.upsert(second)
    informer.upsert(first)
    expect(informer.size).toBe(0)

    // Created and deleted before the informer sees it.
    const short = await configMaps.create(configMap(namespace, 'short', '1'))
    await configMaps.delete({ namespace, name: 'short' })
    await configMaps.create(configMap(namespace, 'end', '1'))
    await eventually('the end', async () => informer.get(`${namespace}/end`) !== undefined)
    informer.upsert(short)
    expect(informer.get(`${namespace}/short`)).toBeUndefined()
    expect(changes.filter(change => change.startsWith('added a='))).toHaveLength(1)
  })
})
