import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Manifest, digestOf } from '../../harness/oci.ts'
import { clientFor, failureOf, image, serve } from './fixture.ts'
import { PULLER, RegistryProcess } from './registry-process.ts'
import { DIGEST, INDEX_TYPE, type Script, serveDigest, status } from './scripted-server.ts'
import { basic, TokenServer } from './token-server.ts'

/** An empty index: the smallest one that a registry accepts. */
const content = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [] }))
const INDEX: Manifest = { mediaType: INDEX_TYPE, digest: digestOf(content), content }

describe('the registry of the distribution project, with tokens', () => {
  let tokens: TokenServer
  let registry: RegistryProcess
  beforeAll(async () => {
    tokens = await TokenServer.start([
      { repository: 'open/app', actions: ['pull', 'push'] },
      { repository: 'closed/app', actions: ['pull'], user: PULLER },
      { repository: 'closed/app', actions: ['pull', 'push'], user: { username: 'pusher', password: 'p' } },
    ])
    registry = await RegistryProcess.start({
      kind: 'token',
      realm: tokens.realm,
      issuer: TokenServer.issuer,
      certificates: tokens.certificates,
    })
    await push('open/app', undefined)
    await push('closed/app', basic('pusher', 'p'))
  })
  afterAll(async () => {
    await registry.stop()
    await tokens.stop()
  })

  async function push(repository: string, authorization: string | undefined): Promise<void> {
    const query = new URLSearchParams({
      service: 'test registry',
      scope: `repository:${repository}:pull,push`,
    })
    const answer = await fetch(`${tokens.realm}?${query.toString()}`, {
      headers: authorization ? { authorization } : {},
    })
    const { token } = (await answer.json()) as { token: string }
    const pushed = await fetch(`${registry.url}/v2/${repository}/manifests/1`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': INDEX.mediaType },
      body: new Uint8Array(INDEX.content),
    })
    expect(pushed.status).toBe(201)
  }

  const client = () => clientFor([registry.host, tokens.host])

  test('allows anonymous pulls with one token request', async () => {
    const before = tokens.received.length
    const asker = client()
    for (let round = 0; round < 3; round++) {
      const { digest } = await asker.resolve(image(registry.host, 'open/app:1'))
      expect(digest).toBe(INDEX.digest)
    }
    const asked = tokens.received.slice(before)
    expect(asked).toHaveLength(1)
    expect(asked[0]?.path).toBe('/token?service=test+registry&scope=repository%3Aopen%2Fapp%3Apull')
    expect(asked[0]?.authorization).toBeUndefined()
  })

  test('allows users with a password, and nobody else', async () => {
    const asker = client()
    const ref = image(registry.host, 'closed/app:1')
    expect((await asker.resolve(ref, PULLER)).digest).toBe(INDEX.digest)
    expect(tokens.received.at(-1)?.authorization).toBe(basic(PULLER.username, PULLER.password))

    // Its token is not for other users of the same client.
    expect((await failureOf(asker.resolve(ref))).code).toBe('Unauthorized')
    const wrong = await failureOf(asker.resolve(ref, { ...PULLER, password: 'wr0ng-pass' }))
    expect(wrong.code).toBe('Unauthorized')
    expect(wrong.message).toBe(`the token server of ${registry.host} answered 401 UNAUTHORIZED`)
    expect((await asker.resolve(ref, PULLER)).digest).toBe(INDEX.digest)
  })
})

test('a requested password is sent at once from then on, to that repository only', async () => {
  const registry = await serve((request, response) => {
    if (request.authorization === basic(PULLER.username, PULLER.password))
      return serveDigest(request, response)
    status(401, { 'www-authenticate': 'Basic realm="r"' })(request, response)
  })
  const client = clientFor([registry.host])
  for (const path of ['app:1', 'app:1', 'app:2', 'other:1']) {
    expect((await client.resolve(image(registry.host, path), PULLER)).digest).toBe(DIGEST)
  }
  const said = registry.received.map(request => request.authorization !== undefined)
  expect(said).toEqual([false, true, true, true, false, true])
})

describe('tokens', () => {
  const challenge = (realm: string) => `Bearer realm="${realm}",service="s",scope="repository:app:pull"`
  /** A registry that requires the token. */
  const wants =
    (token: () => string, realm: () => string): Script =>
    (request, response) => {
      if (request.authorization === `Bearer ${token()}`) return serveDigest(request, response)
      status(401, { 'www-authenticate': challenge(realm()) })(request, response)
    }

  test('are requested again before they expire, and when they are refused', async () => {
    let current = 0
    let expiresIn = 1
    const tokens = await serve((_, response) => {
      current++
      response.end(JSON.stringify({ access_token: `t${current}`, expires_in: expiresIn }))
    })
    const registry = await serve(
      wants(
        () => `t${current}`,
        () => `${tokens.url}/token`,
      ),
    )
    const client = clientFor([registry.host, tokens.host])
    const resolve = async () =>
      expect((await client.resolve(image(registry.host, 'app'))).digest).toBe(DIGEST)

    await resolve() // 401, token 1, 200
    expiresIn = 3600
    await resolve() // token 1 expires soon: token 2, 200
    await resolve() // 200
    expect([tokens.received.length, registry.received.length]).toEqual([2, 4])
    current = 9 // revoked
    await resolve() // 401, token 10, 200
    expect([tokens.received.length, registry.received.length]).toEqual([3, 6])
  })

  test('are requested from the new token server when the old one is gone', async () => {
    const [before, after] = await Promise.all(
      [1, 2].map(() => serve((_, response) => void response.end('{"token":"t","expires_in":1}'))),
    )
    let realm = `${before?.url}/token`
    const registry = await serve(
      wants(
        () => 't',
        () => realm,
      ),
    )
    const client = clientFor([registry.host, before?.host ?? '', after?.host ?? ''])
    const ref = image(registry.host, 'app')
    expect((await client.resolve(ref)).digest).toBe(DIGEST)
    before?.answerBy(status(404))
    realm = `${after?.url}/token`
    expect((await failureOf(client.resolve(ref))).code).toBe('InvalidAnswer')
    expect((await client.resolve(ref)).digest).toBe(DIGEST)
    expect(after?.received).toHaveLength(1)
  })

  test('that the registry never accepts lead to Unauthorized after one try', async () => {
    const tokens = await serve((_, response) => void response.end('{"token":"good"}'))
    const registry = await serve(status(401, { 'www-authenticate': challenge(`${tokens.url}/token`) }))
    const client = clientFor([registry.host, tokens.host])
    expect((await failureOf(client.resolve(image(registry.host, 'app')))).code).toBe('Unauthorized')
    expect([tokens.received.length, registry.received.length]).toEqual([1, 2])
  })

  test.each([
    ['no JSON', 200, 'welcome', 'InvalidAnswer', 'answered 200 without a token'],
    ['no token', 200, '{"expires_in":3}', 'InvalidAnswer', 'answered 200 without a token'],
    ['a token that is no header value', 200, '{"token":"a\\r\\nb: c"}', 'InvalidAnswer', 'without a token'],
    ['more than 16 KB', 200, `{"token":"${'x'.repeat(20_000)}"}`, 'InvalidAnswer', 'without a token'],
    [
      '403',
      403,
      '{"errors":[{"code":"DENIED","message":"s3cret words"}]}',
      'Forbidden',
      'answered 403 DENIED',
    ],
    ['404', 404, '', 'InvalidAnswer', 'answered 404'],
    ['500', 500, '<html>s3cret words</html>', 'Unavailable', 'answered 500'],
  ])('from a server that answers %s', async (_, code, body, expected, words) => {
    const tokens = await serve(status(code, {}, body))
    const registry = await serve(status(401, { 'www-authenticate': challenge(`${tokens.url}/token`) }))
    const client = clientFor([registry.host, tokens.host])
    const error = await failureOf(client.resolve(image(registry.host, 'app'), PULLER))
    expect(error.code).toBe(expected)
    expect(error.message).toContain(words)
    expect(error.message).not.toMatch(/s3cret/)
  })

  test.each(['Digest realm="x", nonce="y"', 'Bearer service="none"', '', '"'])(
    'are not asked for by the challenge %j',
    async header => {
      const registry = await serve(status(401, { 'www-authenticate': header }))
      const error = await failureOf(clientFor([registry.host]).resolve(image(registry.host, 'app'), PULLER))
      expect(error.code).toBe('Unauthorized')
      expect(registry.received.map(request => request.authorization)).toEqual([undefined])
    },
  )

  test('are not requested when the registry names an invalid URL', async () => {
    const registry = await serve(status(401, { 'www-authenticate': 'Bearer realm="token server"' }))
    const error = await failureOf(clientFor([registry.host]).resolve(image(registry.host, 'app')))
    expect(error.code).toBe('InvalidAnswer')
  })
})
