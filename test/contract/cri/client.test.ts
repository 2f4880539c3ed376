import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { CriClient, traitsOf } from '../../../src/cri/index.ts'
import { GIVEN_SOCKET, useWorld } from './fixture.ts'

const world = useWorld()

describe.skipIf(GIVEN_SOCKET)('the CRI of containerd', () => {
  it('reports its name and version', async () => {
    const runtime = await world.client.version()
    expect(runtime).toMatchObject({ name: 'containerd', apiVersion: 'v1' })
    expect(traitsOf(runtime).canRemoveNames).toBe(true)
  })

  it('lists an image by its tag and its digest', async () => {
    const name = await world.pull('listed:1')
    const image = (await world.client.listImages()).find(({ repoTags }) => repoTags.includes(name))
    expect(image).toMatchObject({
      id: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      repoDigests: [expect.stringMatching(`^${world.name('listed@sha256:')}`)],
      pinned: false,
    })
    expect(image?.sizeBytes).toBeGreaterThan(1024)
    expect(await world.client.imageStatus(name)).toEqual(image)
    expect(await world.client.imageStatus(world.name('listed:2'))).toBeUndefined()
  })

  it('pins the sandbox image', async () => {
    expect(await world.client.imageStatus(world.name('sandbox:1'))).toMatchObject({ pinned: true })
  })

  it('removes an image with every name of its ID when given one tag, in use or not', async () => {
    const one = await world.pull('twins/a:1', 'twins')
    const other = await world.pull('twins/b:2', 'twins')
    const { id } = (await world.client.imageStatus(one)) ?? { id: '' }
    await world.node.createContainer('twin', one)
    expect(await world.client.imageStatus(other)).toMatchObject({ id, repoTags: [one, other] })
    await world.client.removeImage(one)
    expect(await world.client.imageStatus(other)).toBeUndefined()
    expect(await world.client.imageStatus(id)).toBeUndefined()
    await world.client.removeImage(one) // removing it again succeeds
    await world.node.removePod('twin')
  })

  it('removes one name of an image and keeps the others', async () => {
    const one = await world.pull('named/a:1', 'named')
    const other = await world.pull('named/b:2', 'named')
    const { repoDigests = [] } = (await world.client.imageStatus(one)) ?? {}
    expect(repoDigests).toHaveLength(2)
    await world.client.removeName(one)
    await expect
      .poll(async () => (await world.client.imageStatus(other))?.repoTags, { timeout: 10_000 })
      .toEqual([other])
    expect(await world.client.imageStatus(other)).toMatchObject({ repoDigests })
    await world.client.removeName(one)
  })

  it('shows the images that a container was created from and mounts', async () => {
    const made = await world.pull('made:1')
    const mounted = await world.pull('mounted:1')
    await world.node.createContainer('user', made, mounted)
    const container = (await world.client.listContainers()).find(({ name }) => name === 'user')
    const { id } = (await world.client.imageStatus(made)) ?? {}
    expect(container).toMatchObject({ pod: 'shop/user', images: expect.arrayContaining([id, mounted]) })
    await world.node.removePod('user')
    expect((await world.client.listContainers()).filter(({ name }) => name === 'user')).toEqual([])
  })
})

describe('a runtime that does not answer', () => {
  /** A client of a socket in a new directory. `prepare` may create something at its path first. */
  async function clientOf(
    prepare: (path: string) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<CriClient> {
    const directory = await mkdtemp(join(tmpdir(), 'cri-'))
    const path = join(directory, 'runtime.sock')
    await prepare(path)
    const client = new CriClient(path, signal ? { signal } : {})
    onTestFinished(async () => {
      client.close()
      await rm(directory, { recursive: true })
    })
    return client
  }

  /** Accepts connections and never answers. */
  async function listenSilently(path: string): Promise<void> {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(path, resolve))
    onTestFinished(() => void server.close())
  }

  it('is Unavailable without a socket, and for a file that is no socket', async () => {
    const missing = await clientOf(async () => {})
    await expect(missing.version()).rejects.toMatchObject({ name: 'CriError', code: 'Unavailable' })
    const file = await clientOf(path => writeFile(path, ''))
    await expect(file.listImages()).rejects.toMatchObject({ code: 'Unavailable' })
  })

  it('is DeadlineExceeded without an answer', async () => {
    const client = await clientOf(listenSilently)
    await expect(client.version()).rejects.toMatchObject({ code: 'DeadlineExceeded' })
  })

  it('is Aborted when the caller aborts', async () => {
    const stop = new AbortController()
    const client = await clientOf(listenSilently, stop.signal)
    const answer = client.listImages()
    stop.abort()
    await expect(answer).rejects.toMatchObject({ code: 'Aborted' })
    await expect(client.listImages()).rejects.toMatchObject({ code: 'Aborted' })
  })
})
