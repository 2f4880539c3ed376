import { describe, expect, it } from 'vitest'
import type { FrontAnswer } from '../../harness/api-front.ts'
import {
  type ConfigMap,
  codeOf,
  configMap,
  connect,
  kubeErrorOf,
  newNamespace,
  startFront,
} from './fixture.ts'

/** An answer of the API server's priority and fairness. */
function overloaded(retryAfter = '1'): FrontAnswer {
  return {
    status: 429,
    headers: { 'retry-after': retryAfter },
    body: 'Too many requests, please try again later.',
  }
}

const unavailable: FrontAnswer = { status: 503, body: 'upstream is not there' }

/** A front that gives these answers to the first requests of a method, then forwards. */
async function startScripted(method: string, ...answers: FrontAnswer[]) {
  const direct = connect()
  const { namespace, configMaps } = await newNamespace(direct)
  const front = await startFront()
  front.rule = request => (request.method === method ? answers.shift() : undefined)
  const client = connect({ server: front.url })
  return {
    front,
    client,
    direct: configMaps,
    namespace,
    configMaps: client.resource<ConfigMap>(configMaps.def),
  }
}

describe('an overloaded server', () => {
  it('gets a retry after Retry-After, also of a creation', async () => {
    const { front, configMaps, direct, namespace } = await startScripted(
      'POST',
      overloaded('1'),
      overloaded('2'),
    )
    await configMaps.create(configMap(namespace, 'a', '1'))
    expect((await direct.get({ namespace, name: 'a' })).data).toEqual({ value: '1' })
    const [first, second, third, more] = front.seen.map(({ at }) => at)
    expect(more).toBeUndefined()
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(990)
    expect((third ?? 0) - (second ?? 0)).toBeGreaterThanOrEqual(1990)
  })

  it('gets a limited number of retries', async () => {
    const { front, client } = await startScripted('GET', ...Array.from({ length: 50 }, () => overloaded('0')))
    const error = await kubeErrorOf(client.serverVersion())
    expect(error).toMatchObject({ code: 'TooManyRequests', status: 429, retryAfterMs: 0, retryable: true })
    expect(error.message).toContain('Too many requests, please try again later.')
    expect(front.seen).toHaveLength(6)
  })

  it('with a long Retry-After gets no retry: the request fails', async () => {
    const { front, client } = await startScripted('GET', overloaded('3600'))
    expect(await kubeErrorOf(client.serverVersion())).toMatchObject({ retryAfterMs: 3_600_000 })
    expect(front.seen).toHaveLength(1)
  })

  it('gets no retry after the caller aborts', async () => {
    const { front, client } = await startScripted('GET', overloaded('20'))
    const controller = new AbortController()
    const request = codeOf(client.serverVersion(controller.signal))
    while (front.seen.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
    controller.abort()
    expect(await request).toBe('Aborted')
    expect(front.seen).toHaveLength(1)
  })
})

describe('a server with a short outage', () => {
  it.each(['GET', 'PUT', 'PATCH', 'DELETE'])('gets a retry of a %s', async method => {
    const { configMaps, direct, namespace } = await startScripted(method, unavailable)
    const object = await direct.create(configMap(namespace, 'a', '1'))
    const target = { namespace, name: 'a' }
    if (method === 'GET') expect(await configMaps.get(target)).toEqual(object)
    if (method === 'PUT') await configMaps.replace({ ...object, data: { value: '2' } })
    if (method === 'PATCH') await configMaps.mergePatch(target, { data: { value: '2' } })
    if (method === 'DELETE') await configMaps.delete(target)
    const { items } = await direct.list({ namespace, fieldSelector: 'metadata.name=a' })
    const value = method === 'GET' ? '1' : '2'
    expect(items.map(item => item.data)).toEqual(method === 'DELETE' ? [] : [{ value }])
  })

  it('gets no retry of a creation, which may have succeeded', async () => {
    const { front, configMaps, namespace } = await startScripted('POST', unavailable)
    const error = await kubeErrorOf(configMaps.create(configMap(namespace, 'a')))
    expect(error).toMatchObject({ code: 'ServerError', status: 503, retryable: true })
    expect(error.message).toContain('upstream is not there')
    expect(front.seen).toHaveLength(1)
  })

  it('gets no retry after a server error', async () => {
    const { front, client } = await startScripted('GET', { status: 500, body: 'broken' })
    expect(await codeOf(client.serverVersion())).toBe('ServerError')
    expect(front.seen).toHaveLength(1)
  })
})

describe('an answer that breaks the API’s contract', () => {
  it('is Unexpected', async () => {
    const { client } = await startScripted('GET', { status: 200, body: '<html>log in</html>' })
    expect(await codeOf(client.serverVersion())).toBe('Unexpected')
  })
})

describe('the rate limit of the client', () => {
  it('lets a burst through and spaces the rest', async () => {
    const front = await startFront()
    const client = connect({ server: front.url, qps: 20, burst: 5 })
    const startedAt = performance.now()
    await Promise.all(Array.from({ length: 25 }, () => client.serverVersion()))
    const arrivals = front.seen.map(({ at }) => at - startedAt)
    expect(arrivals).toHaveLength(25)
    // A request may be late for other reasons, but never early: the n-th not before (n - burst) / qps.
    for (const [i, at] of arrivals.sort((a, b) => a - b).entries()) {
      expect(at).toBeGreaterThanOrEqual(((i + 1 - 5) / 20) * 1000 - 5)
    }
  })

  it('does not delay exempt requests', async () => {
    const front = await startFront()
    const client = connect({ server: front.url, qps: 0.001, burst: 1 })
    await client.serverVersion()
    const held = codeOf(client.serverVersion(AbortSignal.timeout(200)))
    for (let i = 0; i < 5; i++) {
      await client.request({ verb: 'get', path: '/version', forLease: true })
    }
    expect(await held).toBe('Aborted')
    expect(front.seen).toHaveLength(6)
  })
})
