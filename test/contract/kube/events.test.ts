import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../../../src/api/object.ts'
import { type CoreEvent, EVENTS } from '../../../src/kube/events.ts'
import { EventRecorder, type KubeClient } from '../../../src/kube/index.ts'
import { eventually } from '../../harness/eventually.ts'
import { TcpProxy } from '../../harness/tcp-proxy.ts'
import { sharedApiServer } from '../shared-api-server.ts'
import { codeOf, configMap, connect, NODES, type Node, newLog, newNamespace, uniqueName } from './fixture.ts'

const soon = () => AbortSignal.timeout(30_000)

async function eventsOf(client: KubeClient, object: KubeObject): Promise<CoreEvent[]> {
  const { items } = await client.resource<CoreEvent>(EVENTS).list({
    namespace: object.metadata.namespace ?? 'default',
    fieldSelector: `involvedObject.uid=${object.metadata.uid}`,
  })
  return items
}

async function newObject(client: KubeClient): Promise<KubeObject> {
  const { namespace, configMaps } = await newNamespace(client)
  return configMaps.create(configMap(namespace, 'object'))
}

describe('the event recorder', () => {
  it('counts repeated events in one Event', async () => {
    const client = connect()
    const object = await newObject(client)
    const recorder = new EventRecorder(client, { component: 'kubefledged-controller', instance: 'pod-1' })
    for (let i = 0; i < 3; i++) recorder.record(object, 'Normal', 'ImagePulled', 'pulled it')
    await recorder.flush(soon())
    const [first] = await eventsOf(client, object)
    for (let i = 0; i < 4; i++) recorder.record(object, 'Normal', 'ImagePulled', 'pulled it')
    recorder.record(object, 'Warning', 'ImagePullFailed', 'no such image')
    await recorder.flush(soon())

    const events = await eventsOf(client, object)
    const summary = events.map(({ type, reason, message, count }) => `${type} ${reason} ${count}x ${message}`)
    expect(summary.sort()).toEqual([
      'Normal ImagePulled 7x pulled it',
      'Warning ImagePullFailed 1x no such image',
    ])
    expect(events.find(({ reason }) => reason === 'ImagePulled')).toMatchObject({
      metadata: { uid: first?.metadata.uid },
      firstTimestamp: first?.firstTimestamp,
      source: { component: 'kubefledged-controller', host: 'pod-1' },
      reportingComponent: 'kubefledged-controller',
      reportingInstance: 'pod-1',
      involvedObject: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        name: 'object',
        namespace: object.metadata.namespace,
      },
    })
    expect(client.requestCount.create).toBe(4)
  })

  it('creates a new Event when the old one has expired', async () => {
    const client = connect()
    const object = await newObject(client)
    const recorder = new EventRecorder(client, { component: 'test' })
    recorder.record(object, 'Normal', 'Reason', 'message')
    await recorder.flush(soon())
    const [first] = await eventsOf(client, object)
    if (!first) throw new Error('no event')
    await client.resource<CoreEvent>(EVENTS).delete(first.metadata)
    recorder.record(object, 'Normal', 'Reason', 'message')
    await recorder.flush(soon())
    const events = await eventsOf(client, object)
    expect(events).toHaveLength(1)
    expect(events[0]?.metadata.uid).not.toBe(first.metadata.uid)
  })

  it('limits the Events of each object separately', async () => {
    const client = connect()
    const noisy = await newObject(client)
    const quiet = await newObject(client)
    const recorder = new EventRecorder(client, { component: 'test' })
    for (let i = 0; i < 60; i++) recorder.record(noisy, 'Warning', 'Reason', `message ${i}`)
    recorder.record(quiet, 'Normal', 'Reason', 'message')
    await recorder.flush(soon())
    expect(await eventsOf(client, noisy)).toHaveLength(25)
    expect(await eventsOf(client, quiet)).toHaveLength(1)
    expect(recorder.dropped).toBe(35)
  })

  it('writes the Events of a quiet namespace soon, and all of them, beside a noisy one', async () => {
    const client = connect()
    const noisy = await newObject(client)
    const quiet = await newObject(client)
    const recorder = new EventRecorder(client, { component: 'test' })
    // Many objects, so that no limit of an object applies.
    for (let i = 0; i < 3000; i++) {
      const metadata = { ...noisy.metadata, name: `noisy-${i}`, uid: `noisy-${i}` }
      recorder.record({ ...noisy, metadata }, 'Warning', 'Reason', `message ${i}`)
    }
    for (let i = 0; i < 20; i++) recorder.record(quiet, 'Normal', 'Reason', `message ${i}`)
    await eventually('the events of the quiet one', async () => (await eventsOf(client, quiet)).length === 20)
    const written = client.requestCount.create
    await recorder.flush(soon())
    expect(written, 'before most of the noisy ones').toBeLessThan(client.requestCount.create / 2)
    const { items } = await client
      .resource<CoreEvent>(EVENTS)
      .list({ namespace: noisy.metadata.namespace ?? '' })
    // The burst of a namespace, and one more for each second that the test takes.
    expect(items.length).toBeGreaterThanOrEqual(500)
    expect(items.length).toBeLessThan(530)
    expect(recorder.dropped).toBe(3000 - items.length)
  })

  it('writes Events of cluster-scoped objects to the default namespace, and shortens long texts', async () => {
    const client = connect()
    const name = uniqueName('n'.repeat(200))
    const nodes = client.resource<Node>(NODES)
    const node = await nodes.create({ metadata: { name } })
    const recorder = new EventRecorder(client, { component: 'test' })
    recorder.record(node, 'Normal', 'Reason', 'm'.repeat(5000))
    await recorder.flush(soon())
    const events = await eventsOf(client, node)
    expect(events).toHaveLength(1)
    expect(events[0]?.metadata.namespace).toBe('default')
    expect(events[0]?.message).toHaveLength(1024)
    await nodes.delete({ name })
  })

  it('never fails its caller: failed writes are logged and counted', async () => {
    const client = connect()
    const { log, lines } = newLog()
    const recorder = new EventRecorder(client, { component: 'test', log })
    const nowhere = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a', namespace: uniqueName(), uid: 'u' },
    }
    recorder.record(nowhere, 'Normal', 'Reason', 'message')
    await recorder.flush(soon())
    expect(recorder.dropped).toBe(1)
    expect(lines.join('\n')).toMatch(/cannot write an event .*not found/)
  })

  it('waits for the last write only until the signal fires', async () => {
    await using proxy = await TcpProxy.start(Number(new URL(sharedApiServer().url).port))
    const client = connect({ server: `https://127.0.0.1:${proxy.port}` })
    const object = await newObject(client)
    proxy.silence()
    const recorder = new EventRecorder(client, { component: 'test' })
    recorder.record(object, 'Normal', 'Reason', 'message')
    expect(await codeOf(recorder.flush(AbortSignal.timeout(300)))).toBe('Aborted')
  })
})
