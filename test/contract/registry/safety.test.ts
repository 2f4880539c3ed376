import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPki } from '../../harness/pki.ts'
import { clientFor, failureOf, image, serve } from './fixture.ts'
import { PULLER } from './registry-process.ts'
import { DIGEST, type Script, serveDigest, status } from './scripted-server.ts'

describe('addresses', () => {
  test('loopback is blocked under every name unless it is allowed', async () => {
    const server = await serve(serveDigest)
    for (const name of ['127.0.0.1', 'localhost', '[::ffff:7f00:1]', '2130706433', '0x7f.1', '127.1']) {
      const host = `${name}:${server.port}`
      const client = clientFor([host], { loopbackHosts: new Set() })
      const error = await failureOf(client.resolve(image(host, 'app')))
      expect([name, error.code, error.retryable]).toEqual([name, 'Blocked', false])
    }
    expect(server.received).toEqual([])
    // The same names work when they are allowed.
    const host = `localhost:${server.port}`
    expect((await clientFor([host]).resolve(image(host, 'app'))).digest).toBe(DIGEST)
  })

  test('addresses of the caller are blocked, also embedded in IPv6', async () => {
    const asked: string[] = []
    const blocked = (address: string) => {
      asked.push(address)
      return true
    }
    for (const host of ['10.96.0.10', '[::ffff:a60:a]', '[64:ff9b::a60:a]']) {
      expect((await failureOf(clientFor([], { blocked }).resolve(image(host, 'app')))).code).toBe('Blocked')
    }
    expect(asked).toEqual(['10.96.0.10', '10.96.0.10', '10.96.0.10'])
  })

  test.each([
    'https://169.254.169.254/latest/meta-data',
    'https://[fe80::1]/',
    'https://localhost:1/',
    'file:///etc/passwd',
  ])('a redirect to %s is not followed', async location => {
    const server = await serve(status(307, { location }))
    const error = await failureOf(clientFor([server.host]).resolve(image(server.host, 'app')))
    expect(error.code).toBe('Blocked')
  })

  test('invalid hosts are blocked', async () => {
    for (const host of ['registry.test:99999', '1.2.3.999']) {
      expect((await failureOf(clientFor([]).resolve(image(host, 'app')))).code).toBe('Blocked')
    }
  })
})

describe('redirects', () => {
  test('three are followed, a fourth is not', async () => {
    const hops =
      (count: number): Script =>
      (request, response) => {
        const hop = Number(new URL(request.path, 'http://x').searchParams.get('hop') ?? 0)
        if (hop === count) return serveDigest(request, response)
        status(302, { location: `?hop=${hop + 1}` })(request, response)
      }
    const server = await serve(hops(3))
    const client = clientFor([server.host])
    expect((await client.resolve(image(server.host, 'app'))).digest).toBe(DIGEST)
    server.answerBy(hops(4))
    expect((await failureOf(client.resolve(image(server.host, 'app')))).code).toBe('InvalidAnswer')
    expect(server.received).toHaveLength(8)
  })

  test('credentials are sent only to their host, and not after a redirect away and back', async () => {
    const other = await serve((_, response) => {
      response.writeHead(307, { location: `${registry.url}/back` }).end()
    })
    const registry = await serve((request, response) => {
      if (request.path === '/back') return serveDigest(request, response)
      if (request.authorization === undefined) {
        return status(401, { 'www-authenticate': 'Basic realm="r"' })(request, response)
      }
      const location = request.path === '/here' ? `${other.url}/` : '/here'
      status(307, { location })(request, response)
    })
    const client = clientFor([registry.host, other.host])
    expect((await client.resolve(image(registry.host, 'app'), PULLER)).digest).toBe(DIGEST)
    expect(registry.received.map(({ path, authorization }) => [path, authorization !== undefined])).toEqual([
      ['/v2/app/manifests/latest', false],
      ['/v2/app/manifests/latest', true],
      ['/here', true],
      ['/back', false],
    ])
    expect(other.received.map(request => request.authorization)).toEqual([undefined])
  })

  test('a redirect target cannot request credentials', async () => {
    const thief = await serve(serveDigest)
    const other = await serve(status(401, { 'www-authenticate': `Bearer realm="${thief.url}/token"` }))
    const registry = await serve(status(307, { location: `${other.url}/` }))
    const client = clientFor([registry.host, other.host, thief.host])
    const error = await failureOf(client.resolve(image(registry.host, 'app'), PULLER))
    expect(error.code).toBe('Unauthorized')
    expect(thief.received).toEqual([])
    expect(other.received).toHaveLength(1)
  })

  test('plain HTTP is used only for the insecure hosts', async () => {
    const other = await serve(serveDigest)
    const registry = await serve(status(307, { location: `${other.url}/` }))
    const client = clientFor([registry.host, other.host], { insecureHosts: new Set([registry.host]) })
    expect((await failureOf(client.resolve(image(registry.host, 'app')))).code).toBe('Blocked')
    expect(other.received).toEqual([])
    expect(registry.received).toHaveLength(1)
  })

  test('a user and a password in a URL are not sent', async () => {
    const other = await serve(serveDigest)
    const registry = await serve(status(307, { location: `http://user:pass@${other.host}/` }))
    const client = clientFor([registry.host, other.host])
    expect((await client.resolve(image(registry.host, 'app'))).digest).toBe(DIGEST)
    expect(other.received.map(request => request.authorization)).toEqual([undefined])
  })
})

describe('https', () => {
  let folder: string
  let server: { key: string; cert: string }
  const trusted = tls.getCACertificates('default')
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kubefledged-tls-'))
    const pki = await createPki(folder)
    await pki.issue('server', '/CN=registry', 'IP:127.0.0.1')
    const [key, cert, ca] = await Promise.all(
      ['server.key', 'server.crt', 'ca.crt'].map(name => readFile(pki.path(name), 'utf8')),
    )
    server = { key: key ?? '', cert: cert ?? '' }
    // The effect of NODE_EXTRA_CA_CERTS at the start of a process.
    tls.setDefaultCACertificates([...trusted, ca ?? ''])
  })
  afterAll(async () => {
    tls.setDefaultCACertificates(trusted)
    await rm(folder, { recursive: true, force: true })
  })

  test('is used for registries, with a trusted certificate', async () => {
    const registry = await serve(serveDigest, server)
    const options = { insecureHosts: new Set<string>() }
    const client = clientFor([registry.host], options)
    expect((await client.resolve(image(registry.host, 'app'))).digest).toBe(DIGEST)

    tls.setDefaultCACertificates(trusted)
    try {
      const stranger = clientFor([registry.host], options)
      const error = await failureOf(stranger.resolve(image(registry.host, 'app')))
      expect(error).toMatchObject({ code: 'Unavailable', retryable: true })
      expect(error.message).toMatch(/^no connection to \S+ \(\w*(CERT|SIGNATURE|ISSUER)\w*\)$/)
    } finally {
      tls.setDefaultCACertificates([...trusted, await readFile(join(folder, 'ca.crt'), 'utf8')])
    }
  })

  test('fails for a registry with plain HTTP, without falling back', async () => {
    const plain = await serve(serveDigest)
    const client = clientFor([plain.host], { insecureHosts: new Set() })
    expect((await failureOf(client.resolve(image(plain.host, 'app')))).code).toBe('Unavailable')
    expect(plain.received).toEqual([])
  })

  test('never leads to plain HTTP, neither by redirect nor for a token', async () => {
    const plain = await serve(serveDigest)
    const registry = await serve(status(307, { location: `${plain.url}/` }), server)
    const client = clientFor([registry.host, plain.host], { insecureHosts: new Set([plain.host]) })
    const ref = image(registry.host, 'app')
    expect((await failureOf(client.resolve(ref, PULLER))).code).toBe('Blocked')
    registry.answerBy(status(401, { 'www-authenticate': `Bearer realm="${plain.url}/token"` }))
    expect((await failureOf(client.resolve(ref, PULLER))).code).toBe('Blocked')
    expect(plain.received).toEqual([])
    expect(registry.received).toHaveLength(2)
  })
})
