import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { encodeRequest, parseResult, type RemovalRequest } from '../../../src/cri/removal/index.ts'
import { type CriImage, traitsOf } from '../../../src/cri/index.ts'
import { GIVEN_SOCKET, useWorld } from './fixture.ts'
import { binary } from '../../harness/binaries.ts'
import { run as runCommand } from '../../harness/command.ts'

const MAIN = join(import.meta.dirname, '../../../src/main.ts')
/** Runs a command without capabilities, as in a Pod that drops all. */
const WITHOUT_CAPABILITIES = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'] as const

const world = useWorld()

/** Runs the process of a removal Job. `request` is the content of its request file. */
async function run(request: string, { socket = world.socketPath } = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'removal-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const file = join(directory, 'request.json')
  const log = join(directory, 'termination-log')
  await writeFile(file, request)
  await writeFile(log, '') // the kubelet creates it and mounts it as a file
  const [program, ...limits] = WITHOUT_CAPABILITIES
  const flags = [`--cri-socket-path=${socket}`, `--request-file=${file}`, `--termination-log=${log}`]
  const { status, stderr } = spawnSync(program, [...limits, process.execPath, MAIN, 'cri-client', ...flags], {
    encoding: 'utf8',
  })
  const text = await readFile(log, 'utf8')
  return { status, stderr, result: parseResult(text), text }
}

async function removeImages(request: Partial<RemovalRequest>) {
  const { status, result, stderr } = await run(encodeRequest({ remove: [], keep: [], ...request }))
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' })
  if (result?.kind !== 'Done') throw new Error(`no result: ${stderr}`)
  return result
}

const isNamed = (name: string) => (image: CriImage) =>
  [...image.repoTags, ...image.repoDigests].some(listed => listed.startsWith(name))

describe('the removal on a node', () => {
  it('removes the requested image with its digest, and nothing else', async () => {
    const gone = await world.pull('plain/gone:1')
    const other = await world.pull('plain/other:1')
    const absent = world.name('plain/never:1')
    const size = (await world.client.imageStatus(gone))?.sizeBytes
    const result = await removeImages({ remove: [gone, absent] })
    expect(result.answers.map(({ outcome }) => outcome)).toEqual(['Removed', 'NotFound'])
    expect(result.removedBytes).toBe(size)
    expect(result.runtime).toBe(`${world.runtime.name} ${world.runtime.version}`)
    expect((await world.client.listImages()).filter(isNamed(world.name('plain/gone')))).toEqual([])
    expect(await world.tags()).toContain(other)
  })

  it('keeps the other tag of the same image', async context => {
    context.skip(!traitsOf(world.runtime).canRemoveNames, 'the runtime removes no single name')
    const one = await world.pull('pair/a:1', 'pair')
    const other = await world.pull('pair/b:1', 'pair')
    expect((await removeImages({ remove: [one] })).answers).toEqual([{ outcome: 'Removed', detail: '' }])
    const images = await world.client.listImages()
    expect(images.filter(isNamed(world.name('pair/a')))).toEqual([])
    expect(images.filter(isNamed(world.name('pair/b')))).toMatchObject([{ repoTags: [other] }])
    expect((await removeImages({ remove: [other] })).answers).toEqual([{ outcome: 'Removed', detail: '' }])
    expect((await world.client.listImages()).filter(isNamed(world.name('pair/')))).toEqual([])
  })

  it('keeps both tags of an image when the runtime can only remove both', async context => {
    context.skip(traitsOf(world.runtime).canRemoveNames, 'the runtime removes single names')
    const one = await world.pull('pair/a:1', 'pair')
    const other = await world.pull('pair/b:1', 'pair')
    expect((await removeImages({ remove: [one] })).answers).toEqual([{ outcome: 'SharedId', detail: other }])
    expect(await world.tags()).toEqual(expect.arrayContaining([one, other]))
  })

  it('removes both tags of an image when both are requested', async () => {
    const both = [await world.pull('both/a:1', 'both'), await world.pull('both/b:1', 'both')]
    expect((await removeImages({ remove: both })).answers.map(({ outcome }) => outcome)).toEqual([
      'Removed',
      'Removed',
    ])
    expect((await world.client.listImages()).filter(isNamed(world.name('both/')))).toEqual([])
  })

  it('removes an image that was pulled by the digest of its index', async () => {
    const reference = await world.pullIndex('index/a:1')
    expect((await removeImages({ remove: [reference] })).answers).toEqual([
      { outcome: 'Removed', detail: '' },
    ])
    expect((await world.client.listImages()).filter(isNamed(world.name('index/')))).toEqual([])
  })

  it('keeps an image that a container was created from, and removes it after the container', async () => {
    const made = await world.pull('used/made:1')
    await world.node.createContainer('web', made)
    const inUse = { outcome: 'InUse', detail: 'container web of Pod shop/web' }
    expect((await removeImages({ remove: [made] })).answers).toEqual([inUse])
    expect(await world.tags()).toContain(made)
    await world.node.removePod('web')
    expect((await removeImages({ remove: [made] })).answers).toEqual([{ outcome: 'Removed', detail: '' }])
    expect(await world.tags()).not.toContain(made)
  })

  it('keeps an image that a container mounts, and removes it after the container', async context => {
    context.skip(world.runtime.name === 'docker', 'cri-dockerd mounts no images')
    const made = await world.pull('used/made:2')
    const mounted = await world.pull('used/mounted:1')
    await world.node.createContainer('volume', made, mounted)
    const inUse = { outcome: 'InUse', detail: 'container volume of Pod shop/volume' }
    expect((await removeImages({ remove: [mounted] })).answers).toEqual([inUse])
    expect(await world.tags()).toContain(mounted)
    await world.node.removePod('volume')
    expect((await removeImages({ remove: [mounted] })).answers).toEqual([{ outcome: 'Removed', detail: '' }])
    expect(await world.tags()).not.toContain(mounted)
  })

  it('keeps the digests of a repository of which all must stay', async context => {
    context.skip(!traitsOf(world.runtime).canRemoveNames, 'the runtime removes no single name')
    const pulled = await world.pull('crowded/app:1')
    const keepRepositories = [world.name('crowded/app')]
    const { answers } = await removeImages({ remove: [pulled], keepRepositories })
    expect(answers).toEqual([{ outcome: 'Removed', detail: '' }])
    const left = (await world.client.listImages()).filter(isNamed(world.name('crowded/app')))
    expect(left).toMatchObject([{ repoTags: [], repoDigests: [expect.stringContaining('@sha256:')] }])
  })

  it('removes the new image of a tag while a container mounts the old one', async context => {
    context.skip(world.runtime.name === 'docker', 'cri-dockerd mounts no images')
    const made = await world.pull('moved/user:1')
    const tag = await world.pull('moved/app:1', 'old')
    const old = (await world.client.imageStatus(tag))?.id ?? ''
    await world.node.createContainer('mover', made, old, tag)
    await world.pull('moved/app:1', 'new')
    const moved = (await world.client.imageStatus(tag))?.id
    expect(moved).not.toBe(old)
    expect((await removeImages({ remove: [tag] })).answers).toEqual([{ outcome: 'Removed', detail: '' }])
    const ids = (await world.client.listImages()).map(({ id }) => id)
    expect(ids).toContain(old)
    expect(ids).not.toContain(moved)
    await world.node.removePod('mover')
  })

  it('leaves the name that somebody has given to the same content by hand', async context => {
    context.skip(GIVEN_SOCKET !== undefined, 'the name is given with the tools of containerd')
    const pulled = await world.pull('sideload/private:1')
    const loaded = world.name('sideload/public:1')
    const { id } = (await world.client.imageStatus(pulled)) ?? {}
    const address = ['--address', world.socketPath, '--namespace', 'k8s.io']
    await runCommand([binary('ctr'), ...address, 'images', 'tag', pulled, loaded])
    await expect.poll(() => world.tags(), { timeout: 10_000 }).toContain(loaded)
    expect((await removeImages({ remove: [pulled] })).answers).toEqual([{ outcome: 'Removed', detail: '' }])
    expect(await world.client.imageStatus(loaded)).toMatchObject({ id, repoTags: [loaded] })
    expect(await world.tags()).not.toContain(pulled)
    // It can still run.
    await world.node.createContainer('loaded', loaded)
    await world.node.removePod('loaded')
  })

  it('removes an image whose pull has just ended, with its leftover container', async () => {
    const pulled = await world.pull('pulled:1')
    await world.node.createEndedPull('pull', pulled)
    expect((await world.client.listContainers()).filter(({ leftover }) => leftover)).toHaveLength(1)
    expect((await removeImages({ remove: [pulled] })).answers).toEqual([{ outcome: 'Removed', detail: '' }])
    expect(await world.tags()).not.toContain(pulled)
    expect((await world.client.listContainers()).filter(({ leftover }) => leftover)).toEqual([])
    await world.node.removePod('pull')
  })

  it('keeps what others want, and the sandbox image', async () => {
    const wanted = await world.pull('wanted:1')
    const sandbox = world.sandboxImage
    const result = await removeImages({ remove: [wanted, sandbox, 'Not/A/Reference'], keep: [wanted] })
    expect(result.answers.map(({ outcome }) => outcome)).toEqual([
      'WantedByOthers',
      'Pinned',
      'InvalidReference',
    ])
    expect(await world.tags()).toEqual(expect.arrayContaining([wanted, sandbox]))
  })

  it('prints the images as JSON', async () => {
    const name = await world.pull('printed:1')
    const { stdout, status } = spawnSync(
      process.execPath,
      [MAIN, 'cri-client', '--list', `--cri-socket-path=/nonexistent.sock,${world.socketPath}`],
      { encoding: 'utf8' },
    )
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      runtime: world.runtime,
      images: expect.arrayContaining([expect.objectContaining({ repoTags: [name] })]),
    })
  })

  it('exits with 1 and reports why it did not start', async () => {
    expect(await run('{"v":1,"remove":["a"]}')).toMatchObject({
      status: 1,
      result: { kind: 'Error', code: 'InvalidRequest' },
    })
    const socket = '/nonexistent/one.sock,/nonexistent/two.sock'
    const unreachable = await run(encodeRequest({ remove: ['a'], keep: [] }), { socket })
    expect(unreachable).toMatchObject({ status: 1, result: { kind: 'Error', code: 'Unavailable' } })
    expect(unreachable.text).toMatch(/one\.sock.*two\.sock/)
  })
})
