import { type RequestListener, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { cacheOf, compiledOf } from '../../../test/builders/image-cache.ts'
import { desiredOf, entryOf, failedEntryOf, nodeImagesOf } from '../../../test/builders/node-images.ts'
import { nodeOf } from '../../../test/builders/node.ts'
import { silentLogger } from '../../kube/index.ts'
import { RegistryClient } from '../../oci/registry/index.ts'
import { CircuitBreaker } from '../../state/circuit-breaker.ts'
import { ClusterState } from '../../state/cluster-state.ts'
import { RetryCalls } from '../../state/retry-calls.ts'
import { TagResolver } from '../../state/tag-resolver.ts'
import { apiServer } from '../../state/testing.ts'
import { Healer } from './healer.ts'

const PERIOD_MS = 60_000

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const there: RequestListener = (_, response) => {
  const type = 'application/vnd.oci.image.manifest.v1+json'
  response.writeHead(200, { 'content-type': type, 'docker-content-digest': `sha256:${'a'.repeat(64)}` }).end()
}
const missing: RequestListener = (_, response) => void response.writeHead(404).end()

/** A healer in a cluster where so many nodes failed to pull one image, before a registry on this machine. */
async function healerOf(count: number, answer: RequestListener, reason = 'ImageNotFound') {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    answer(request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const registry = new RegistryClient({
    userAgent: 'test',
    insecureHosts: new Set([host]),
    loopbackHosts: new Set([host]),
  })
  const { client, close } = await apiServer(() => ({ status: 404, body: {} }))
  closers.push(close, () => {
    registry.close()
    server.close().closeAllConnections()
  })
  const image = `${host}/app:1`
  const cluster = new ClusterState(client, { defaultPolicy: 'IfNotPresent', log: silentLogger })
  let now = Date.parse('2026-03-01T12:00:00.000Z')
  Object.assign(cluster, { now: () => now })
  const finishedAt = new Date(now).toISOString()
  const failures = { [image]: [{ node: 'n0', reason, message: '' }] }
  cluster.cacheInformer.upsert(cacheOf('cache', [image], {}, { status: 'Failed', failures }))
  const compiled = compiledOf('cache', [image])
  const ledger = (index: number, isThere: boolean, version: string) => {
    const entry = isThere ? entryOf(image) : failedEntryOf(image, reason, { finishedAt })
    const { metadata, spec, status } = nodeImagesOf(
      nodeOf(`n${index}`),
      { images: desiredOf([image], compiled) },
      [entry],
    )
    const counts = { desired: 1, present: isThere ? 1 : 0, failed: isThere ? 0 : 1, removing: 0 }
    cluster.nodeImagesInformer.upsert({
      metadata: { ...metadata, uid: `ledger-${index}`, resourceVersion: version },
      ...(spec && { spec }),
      status: { ...status, counts },
    })
  }
  const woken: string[] = []
  const calls = new RetryCalls()
  const tags = new TagResolver({
    registry,
    breaker: new CircuitBreaker(),
    now: () => now,
    enqueue: () => {},
    wake: () => {},
    log: silentLogger,
  })
  const healer = new Healer({
    cluster,
    tags,
    calls,
    frequencyMs: PERIOD_MS,
    wake: node => woken.push(node),
    log: silentLogger,
  })
  for (let index = 0; index < count; index += 1) ledger(index, false, '1')
  return {
    image,
    asked,
    woken,
    calls,
    finishedAt,
    pass: (ms: number) => (now += ms),
    pulled: (index: number) => ledger(index, true, '2'),
    look: () => healer.reconcile('team/cache', new AbortController().signal),
  }
}

describe('the healer', () => {
  it('asks once for all nodes, a period after the failure, and lets all try where the image is there', async () => {
    const { image, asked, woken, calls, finishedAt, pass, look } = await healerOf(50, there)
    const first = await look()
    expect(first?.requeueAfterMs).toBeLessThanOrEqual(PERIOD_MS)
    expect(asked).toEqual([])
    pass(PERIOD_MS)
    const second = await look()
    expect(second?.requeueAfterMs).toBeGreaterThan(0)
    expect(second?.requeueAfterMs).toBeLessThanOrEqual(PERIOD_MS)
    expect(asked).toEqual(['HEAD /v2/app/manifests/1'])
    expect(woken).toHaveLength(50)
    expect(Date.parse(calls.calledAt('n49', image) ?? '')).toBeGreaterThan(Date.parse(finishedAt))
  })

  it.each([
    ['ImageNotFound', 10],
    ['Unauthorized', 10],
  ])('lets a few nodes try each period, and others in the next, after %s', async (reason, trials) => {
    const { asked, woken, pass, look } = await healerOf(50, missing, reason)
    await look()
    pass(PERIOD_MS)
    await look()
    expect(new Set(woken).size).toBe(trials)
    pass(PERIOD_MS)
    await look()
    expect(new Set(woken).size).toBe(2 * trials)
    expect(asked).toHaveLength(2)
  })

  it('lets all others try, once, when one of them could pull the image', async () => {
    const { woken, pass, pulled } = await healerOf(50, missing)
    pass(1_000)
    pulled(0)
    expect(new Set(woken)).toEqual(new Set(Array.from({ length: 49 }, (_, index) => `n${index + 1}`)))
    pulled(1)
    pulled(2)
    expect(woken).toHaveLength(49)
  })

  it('leaves failures alone that are tried again anyway', async () => {
    const { asked, woken, pass, look } = await healerOf(5, there, 'RegistryUnavailable')
    await look()
    pass(PERIOD_MS)
    await look()
    expect([asked, woken]).toEqual([[], []])
  })
})
