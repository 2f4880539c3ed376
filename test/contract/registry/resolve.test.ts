import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FaultyRegistry } from '../../harness/faulty-registry.ts'
import { pushImage, pushIndex, retag } from '../../harness/image-builder.ts'
import { MEDIA_TYPES } from '../../harness/oci.ts'
import { clientFor, failureOf, image } from './fixture.ts'
import { PULLER, RegistryProcess } from './registry-process.ts'

describe('the registry of the distribution project', () => {
  let registry: RegistryProcess
  beforeAll(async () => {
    registry = await RegistryProcess.start()
  })
  afterAll(() => registry.stop())

  test('gives the digest of an OCI image, a Docker image and an index', async () => {
    const store = registry.store()
    const client = clientFor([registry.host])
    const oci = await pushImage(store, 'kinds/oci:1')
    const docker = await pushImage(store, 'kinds/docker:1', { kind: 'docker-schema2' })
    const index = await pushIndex(store, 'kinds/index:1', ['linux/amd64', 'linux/arm64'])

    expect(await client.resolve(image(registry.host, 'kinds/oci:1'))).toEqual({
      digest: oci.digest,
      mediaType: MEDIA_TYPES.oci.manifest,
    })
    expect(await client.resolve(image(registry.host, 'kinds/docker:1'))).toEqual({
      digest: docker.digest,
      mediaType: MEDIA_TYPES.docker.manifest,
    })
    expect(await client.resolve(image(registry.host, 'kinds/index:1'))).toEqual({
      digest: index.digest,
      mediaType: MEDIA_TYPES.oci.index,
    })
    store.close()
  })

  test('follows a moved tag, uses latest without a tag, and finds a digest', async () => {
    const store = registry.store()
    const client = clientFor([registry.host])
    const first = await pushImage(store, 'app:latest', { seed: 'first' })
    const ref = image(registry.host, 'app')
    expect((await client.resolve(ref)).digest).toBe(first.digest)

    await pushImage(store, 'app:next', { seed: 'second' })
    const second = await retag(store, 'app:next', 'latest')
    expect(second.digest).not.toBe(first.digest)
    expect((await client.resolve(ref)).digest).toBe(second.digest)
    expect((await client.resolve(image(registry.host, `app@${first.digest}`))).digest).toBe(first.digest)
    store.close()
  })

  test('reports a missing tag and a missing repository', async () => {
    const store = registry.store()
    const client = clientFor([registry.host])
    await pushImage(store, 'some:1')
    store.close()
    for (const name of ['some:2', 'none:1']) {
      const error = await failureOf(client.resolve(image(registry.host, name)))
      expect(error).toMatchObject({ code: 'NotFound', retryable: false })
      expect(error.message).toBe(`${registry.host} answered 404`)
    }
  })
})

describe('the registry with a password', () => {
  let registry: RegistryProcess
  beforeAll(async () => {
    registry = await RegistryProcess.start({ kind: 'htpasswd' })
  })
  afterAll(() => registry.stop())

  test('allows requests with it and no others, and no message contains it', async () => {
    const store = registry.store()
    const { digest } = await pushImage(store, 'secret/app:1')
    store.close()
    const client = clientFor([registry.host])
    const ref = image(registry.host, 'secret/app:1')

    expect((await client.resolve(ref, PULLER)).digest).toBe(digest)
    // The second request sends the credentials at once.
    expect((await client.resolve(ref, PULLER)).digest).toBe(digest)
    const anonymous = await failureOf(client.resolve(ref))
    expect(anonymous).toMatchObject({ code: 'Unauthorized', retryable: false })
    const wrong = await failureOf(client.resolve(ref, { username: 'puller', password: 'wr0ng-pass' }))
    expect(wrong.code).toBe('Unauthorized')
    expect(`${wrong.message} ${wrong.stack}`).not.toContain('wr0ng-pass')
  })
})

describe('a registry that misbehaves', () => {
  let registry: FaultyRegistry
  beforeAll(async () => {
    registry = await FaultyRegistry.start()
  })
  afterAll(() => registry.stop())

  const expected = [
    ['unauthorized', 'Unauthorized', false],
    ['forbidden', 'Forbidden', false],
    ['servererror', 'Unavailable', true],
    ['unavailable', 'Unavailable', true],
    ['htmlpage', 'InvalidAnswer', false],
    ['ratelimited', 'RateLimited', true],
  ] as const
  test.each(expected)('%s is %s', async (name, code, retryable) => {
    const host = new URL(registry.url).host
    const error = await failureOf(clientFor([host]).resolve(image(host, `${name}/app:1`)))
    expect(error).toMatchObject({ code, retryable })
    expect(registry.requests(`${name}/app`)).toHaveLength(1)
  })

  test('is asked again only by the caller', async () => {
    const host = new URL(registry.url).host
    const client = clientFor([host])
    const { digest } = await pushImage(registry.store, 'flaky/1/app:1')
    expect((await failureOf(client.resolve(image(host, 'flaky/1/app:1')))).code).toBe('Unavailable')
    expect((await client.resolve(image(host, 'flaky/1/app:1'))).digest).toBe(digest)
    expect(registry.requests('flaky/1/app')).toHaveLength(2)
  })

  test('fails after the time limit', async () => {
    const host = new URL(registry.url).host
    const client = clientFor([host], { timeoutMs: 200 })
    const error = await failureOf(client.resolve(image(host, 'hang/app:1')))
    expect(error).toMatchObject({ code: 'Timeout', retryable: true })
    expect(error.message).toBe(`no answer from ${host} within 0.2 s`)
  })

  test('fails at once when the caller aborts', async () => {
    const host = new URL(registry.url).host
    const called = new AbortController()
    const outcome = clientFor([host]).resolve(image(host, 'hang/other:1'), undefined, called.signal)
    called.abort(new Error('shutting down'))
    await expect(outcome).rejects.toThrow('shutting down')
  })
})
