import { type RequestListener, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { RegistryClient } from '../oci/registry/index.ts'
import { silentLogger } from '../kube/index.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import { PullSecrets } from './pull-secrets.ts'
import { TagResolver } from './tag-resolver.ts'
import { type ApiAnswer, apiServer } from './testing.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`
const MINUTE = 60_000

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const signal = () => new AbortController().signal

const answering: RequestListener = (_, response) => {
  const type = 'application/vnd.oci.image.manifest.v1+json'
  response.writeHead(200, { 'content-type': type, 'docker-content-digest': DIGEST }).end()
}

/** A resolver, and a registry on this machine that answers as `listener` says. */
async function resolverFor(listener: RequestListener, pullSecrets?: PullSecrets) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    listener(request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const registry = new RegistryClient({
    userAgent: 'test',
    insecureHosts: new Set([host]),
    loopbackHosts: new Set([host]),
  })
  closers.push(() => {
    registry.close()
    server.close().closeAllConnections()
  })
  const woken: string[] = []
  const queued: string[] = []
  let now = Date.parse('2026-01-01T00:00:00.000Z')
  const resolver = new TagResolver({
    registry,
    breaker: new CircuitBreaker(),
    ...(pullSecrets && { pullSecrets }),
    now: () => now,
    enqueue: image => queued.push(image),
    wake: node => woken.push(node),
    log: silentLogger,
  })
  return { resolver, asked, woken, queued, host, pass: (ms: number) => (now += ms) }
}

describe('TagResolver', () => {
  it('asks once for all nodes, and wakes a node when all that it waits for is known', async () => {
    const { resolver, asked, woken, queued, host } = await resolverFor(answering)
    const [one, two] = [`${host}/one:latest`, `${host}/two`]
    resolver.ask('n1', [{ image: one }, { image: two }])
    resolver.ask('n2', [{ image: one }])
    expect(new Set(queued)).toEqual(new Set([one, two]))
    expect(resolver.askedLately({ image: one })).toBe(false)

    await resolver.reconcile(one, signal())
    expect(woken).toEqual(['n2'])
    await resolver.reconcile(two, signal())
    expect(woken).toEqual(['n2', 'n1'])
    expect(asked).toEqual(['HEAD /v2/one/manifests/latest', 'HEAD /v2/two/manifests/latest'])
    expect(resolver.answers.get(one)).toEqual({ at: '2026-01-01T00:00:00.000Z', digest: DIGEST })
    expect(resolver.askedLately({ image: one })).toBe(true)
  })

  it('serves later nodes from memory for a minute, and asks anew after that', async () => {
    const { resolver, asked, woken, host, pass } = await resolverFor(answering)
    const image = `${host}/app:latest`
    for (const [node, ms] of [
      ['n1', 0],
      ['n2', MINUTE - 1],
      ['n3', 1],
    ] as const) {
      pass(ms)
      resolver.ask(node, [{ image }])
      await resolver.reconcile(image, signal())
    }
    expect(woken).toEqual(['n1', 'n2', 'n3'])
    expect(asked).toHaveLength(2)
    pass(MINUTE)
    expect(resolver.answers.size).toBe(0)
  })

  it('lets nodes go on without an answer, and does not wait for a silent registry again soon', async () => {
    const { resolver, asked, woken, host } = await resolverFor(() => {})
    const images = [`${host}/one:latest`, `${host}/two:latest`]
    resolver.ask(
      'n1',
      images.map(image => ({ image })),
    )
    for (const image of images) await resolver.reconcile(image, signal())
    expect(woken).toEqual(['n1'])
    expect(asked).toHaveLength(1)
    for (const image of images) {
      expect(resolver.askedLately({ image })).toBe(true)
      expect(resolver.answers.get(image)?.digest).toBeUndefined()
    }
  })

  it('goes on where the registry refuses', async () => {
    const { resolver, woken, host } = await resolverFor((_, response) => response.writeHead(404).end())
    const image = `${host}/missing:latest`
    resolver.ask('n1', [{ image }])
    await resolver.reconcile(image, signal())
    expect(woken).toEqual(['n1'])
    expect(resolver.answers.get(image)).toEqual({ at: '2026-01-01T00:00:00.000Z' })
  })

  it('keeps nodes waiting when it is cut off: the question comes back', async () => {
    const { resolver, woken, host } = await resolverFor(() => {})
    const image = `${host}/app:latest`
    resolver.ask('n1', [{ image }])
    const cutOff = AbortSignal.timeout(50)
    await expect(resolver.reconcile(image, cutOff)).rejects.toThrow('aborted due to timeout')
    expect(woken).toEqual([])
    expect(resolver.askedLately({ image })).toBe(false)
  })

  describe('about private images', () => {
    const credential = 'team:0123abcd'
    const pullSecrets = [{ name: 'wrong' }, { name: 'right' }]

    /** Secrets of the registry `host`; each is read from an API server. */
    async function secretsOf(answer: (name: string) => ApiAnswer): Promise<PullSecrets> {
      const { client, close } = await apiServer(({ path }) => answer(path.split('/').at(-1) ?? ''))
      closers.push(close)
      return new PullSecrets(client, silentLogger)
    }

    const secretFor = (host: string, password: string): ApiAnswer => {
      const text = JSON.stringify({ auths: { [host]: { username: 'u', password } } })
      return { body: { data: { '.dockerconfigjson': Buffer.from(text).toString('base64') } } }
    }

    it('tries what the kubelet would try, and keeps what is known apart from what others may see', async () => {
      let host = ''
      const secrets = await secretsOf(name => secretFor(host, name))
      const right = `Basic ${Buffer.from('u:right').toString('base64')}`
      const made = await resolverFor((request, response) => {
        if (request.headers.authorization === right) answering(request, response)
        else response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end()
      }, secrets)
      host = made.host
      const asked = { image: `${host}/app:latest`, credential, pullSecrets }
      expect(made.resolver.mayAsk(asked)).toBe(true)
      const { digest } = await made.resolver.resolve(asked, signal())
      expect(digest).toBe(DIGEST)
      expect(made.resolver.askedLately(asked)).toBe(true)
      expect(made.resolver.askedLately({ image: asked.image })).toBe(false)
    })

    it('asks nothing without the right to read the Secrets, and without credentials where there are none', async () => {
      const forbidden = { status: 403, body: { kind: 'Status', reason: 'Forbidden', code: 403 } }
      const made = await resolverFor(answering, await secretsOf(() => forbidden))
      const asked = { image: `${made.host}/app:latest`, credential, pullSecrets }
      await expect(made.resolver.resolve(asked, signal())).rejects.toMatchObject({ code: 'Unauthorized' })
      expect(made.asked).toEqual([])

      const missing = { status: 404, body: { kind: 'Status', reason: 'NotFound', code: 404 } }
      const open = await resolverFor(answering, await secretsOf(() => missing))
      const { digest } = await open.resolver.resolve({ ...asked, image: `${open.host}/app` }, signal())
      expect(digest).toBe(DIGEST)
    })

    it('lets nodes go on where the API server does not give a Secret', async () => {
      const broken = { status: 400, body: { kind: 'Status', reason: 'BadRequest', code: 400 } }
      const made = await resolverFor(answering, await secretsOf(() => broken))
      const asked = { image: `${made.host}/app:latest`, credential, pullSecrets }
      made.resolver.ask('n1', [asked])
      await made.resolver.reconcile(made.queued[0] ?? '', signal())
      expect(made.woken).toEqual(['n1'])
      expect(made.resolver.askedLately(asked)).toBe(true)
      expect(made.asked).toEqual([])
    })

    it('leaves them to the nodes where it reads no Secrets', async () => {
      const { resolver } = await resolverFor(answering)
      expect(resolver.mayAsk({ image: 'r.test/app', credential, pullSecrets })).toBe(false)
      expect(resolver.mayAsk({ image: 'r.test/app' })).toBe(true)
    })
  })
})
