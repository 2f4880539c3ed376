import { describe, expect, test } from 'vitest'
import { eventually } from '../../harness/eventually.ts'
import { digestOf } from '../../harness/oci.ts'
import { clientFor, failureOf, image, serve } from './fixture.ts'
import { DIGEST, INDEX_TYPE, type Script, serveDigest, status } from './scripted-server.ts'

const CONTENT = '{"schemaVersion":2,"manifests":[]}'

describe('a registry without digest header', () => {
  test.each([200, 405, 501])('and with answer %i to HEAD is asked for the manifest', async headStatus => {
    const server = await serve((request, response) => {
      const code = request.method === 'HEAD' ? headStatus : 200
      response.writeHead(code, { 'content-type': `${INDEX_TYPE}; charset=utf-8` }).end(CONTENT)
    })
    const client = clientFor([server.host])
    expect(await client.resolve(image(server.host, 'app'))).toEqual({
      digest: digestOf(Buffer.from(CONTENT)),
      mediaType: INDEX_TYPE,
    })
    expect(server.received.map(request => request.method)).toEqual(['HEAD', 'GET'])
  })

  test('and with an endless body is cut off', async () => {
    let sent = 0
    const server = await serve((request, response) => {
      response.writeHead(200, { 'content-type': INDEX_TYPE })
      if (request.method === 'HEAD') return void response.end()
      const more = () => {
        do sent += 65_536
        while (!response.destroyed && response.write(Buffer.alloc(65_536)))
      }
      response.on('drain', more)
      more()
    })
    const error = await failureOf(clientFor([server.host]).resolve(image(server.host, 'app')))
    expect(error).toMatchObject({
      code: 'InvalidAnswer',
      message: 'the manifest is longer than 4194304 bytes',
    })
    // Both ends of the connection also buffer data.
    expect(sent).toBeLessThan(64 * 1024 * 1024)
  })

  test('and with a broken connection is Unavailable', async () => {
    const server = await serve((request, response) => {
      response.writeHead(200, { 'content-type': INDEX_TYPE, 'content-length': '100' })
      if (request.method === 'HEAD') return void response.end()
      response.write('{', () => response.destroy())
    })
    const error = await failureOf(clientFor([server.host]).resolve(image(server.host, 'app')))
    expect(error.code).toBe('Unavailable')
  })
})

describe('an answer', () => {
  test.each<[string, Script]>([
    [
      'a digest that is none',
      status(200, { 'content-type': INDEX_TYPE, 'docker-content-digest': 'sha256:12' }),
    ],
    ['no image', status(200, { 'content-type': 'text/html', 'docker-content-digest': DIGEST })],
    ['no media type', status(200, { 'docker-content-digest': DIGEST })],
    ['a status that means nothing', status(418)],
    ['a head of 20 KB', status(200, { 'x-padding': 'x'.repeat(20_000) })],
    ['something other than HTTP', (_, response) => void response.socket?.end('SSH-2.0-x\r\n')],
  ])('with %s is invalid', async (_, script) => {
    const server = await serve(script)
    const error = await failureOf(clientFor([server.host]).resolve(image(server.host, 'app')))
    expect(error).toMatchObject({ code: 'InvalidAnswer', retryable: false })
  })

  test('with another digest than the requested one is invalid', async () => {
    const server = await serve(serveDigest)
    const client = clientFor([server.host])
    expect((await client.resolve(image(server.host, `app@${DIGEST}`))).digest).toBe(DIGEST)
    const other = `app@sha256:${'0'.repeat(64)}`
    expect((await failureOf(client.resolve(image(server.host, other)))).code).toBe('InvalidAnswer')
  })

  test('is asked for by all media types, with a name', async () => {
    const server = await serve(serveDigest)
    await clientFor([server.host]).resolve(image(server.host, 'team/app:1'))
    const [request] = server.received
    expect(request?.path).toBe('/v2/team/app/manifests/1')
    expect(request?.headers['user-agent']).toBe('kube-fledged-test')
    expect(request?.headers.accept?.split(', ')).toHaveLength(4)
  })
})

describe('load on registries', () => {
  test('after a 429 a registry gets no requests, others do', async () => {
    const server = await serve(status(429, { 'retry-after': '30' }))
    const other = await serve(serveDigest)
    const client = clientFor([server.host, other.host])
    const first = await failureOf(client.resolve(image(server.host, 'app')))
    expect(first).toMatchObject({ code: 'RateLimited', retryable: true, retryAfterMs: 30_000 })
    const second = await failureOf(client.resolve(image(server.host, 'other')))
    expect(second.code).toBe('RateLimited')
    expect(second.retryAfterMs).toBeLessThanOrEqual(30_000)
    expect(second.retryAfterMs).toBeGreaterThan(0)
    expect(server.received).toHaveLength(1)
    expect((await client.resolve(image(other.host, 'app'))).digest).toBe(DIGEST)
  })

  test('reports the Retry-After of a registry that is down', async () => {
    const server = await serve(status(503, { 'retry-after': '7' }))
    const error = await failureOf(clientFor([server.host]).resolve(image(server.host, 'app')))
    expect(error).toMatchObject({ code: 'Unavailable', retryAfterMs: 7000 })
  })

  test('four requests run at a time, and all are answered', async () => {
    const held: (() => void)[] = []
    const server = await serve((request, response) => {
      held.push(() => serveDigest(request, response))
      // Time after the fourth request in which a fifth would arrive.
      if (held.length === 4) setTimeout(() => held.splice(0).forEach(answer => answer()), 50)
    })
    const client = clientFor([server.host])
    const refs = Array.from({ length: 20 }, (_, index) => image(server.host, `app${index}`))
    const answers = await Promise.all(refs.map(ref => client.resolve(ref)))
    expect(answers.map(answer => answer.digest)).toEqual(refs.map(() => DIGEST))
    expect(server.received).toHaveLength(20)
    expect(server.mostAtOnce).toBe(4)
  })

  test('an idle connection that the registry closed causes no failure', async () => {
    const known = new WeakSet<object>()
    let cut = 0
    const server = await serve((request, response) => {
      const { socket } = response
      // Close the kept connection without an answer, like a server that closes it at this moment.
      if (socket && known.has(socket)) {
        cut++
        socket.resetAndDestroy()
        return
      }
      if (socket) known.add(socket)
      serveDigest(request, response)
    })
    const client = clientFor([server.host])
    const answers = new Set<string>()
    await eventually(
      'a connection to be used again',
      async () => {
        const outcome = await client.resolve(image(server.host, 'app')).catch(String)
        answers.add(typeof outcome === 'string' ? outcome : outcome.digest)
        return cut > 0
      },
      { everyMs: 1, timeoutMs: 20_000 },
    )
    expect([...answers]).toEqual([DIGEST])
  })
})
