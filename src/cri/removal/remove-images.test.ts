import { describe, expect, it } from 'vitest'
import { JOB_LABELS } from '../../api/constants.ts'
import type { Container, Image, ImageSpec } from '../generated/cri.ts'
import { type Answers, clientOf, containerOf, listed, unknown } from '../testing.ts'
import { silentLogger } from '../../base/logger.ts'
import { removeImages } from './remove-images.ts'
import type { RemovalAnswer } from './result.ts'

const D1 = `sha256:${'1'.repeat(64)}`
const HEX = 'a'.repeat(64)

/** The content of a node. The calls of its runtime change it. */
interface NodeContent {
  images: Image[]
  containers: Container[]
}

/** Answers the calls that are the same for every runtime. `answers` has the others. */
async function answersOf(
  name: string,
  world: NodeContent,
  remove: readonly string[],
  answers: (world: NodeContent) => Answers,
  keep: readonly string[] = [],
) {
  const client = await clientOf({
    ListImages: () => ({ images: world.images }),
    ListContainers: () => ({ containers: world.containers }),
    ListPodSandbox: () => ({ items: [] }),
    ContainerStatus: ({ containerId }) => ({ status: { id: containerId, mounts: [] } }),
    ImageStatus: request => ({ image: named(world, request) }),
    ...answers(world),
  })
  const runtime = { name, version: '1', apiVersion: 'v1' }
  const { signal } = new AbortController()
  const result = await removeImages({
    client,
    runtime,
    request: { remove, keep },
    log: silentLogger,
    signal,
  })
  return result.answers
}

const textOf = ({ image }: { readonly image?: ImageSpec }) => image?.image ?? ''
const named = (world: NodeContent, request: { readonly image?: ImageSpec }) =>
  world.images.find(({ repoTags, repoDigests }) => [...repoTags, ...repoDigests].includes(textOf(request)))
const removed: RemovalAnswer = { outcome: 'Removed', detail: '' }

describe('removeImages with CRI-O', () => {
  const brokenStore: Answers = {
    ImageStatus: request => {
      if (textOf(request) === 'nginx:1') throw unknown('layer not known')
      return {}
    },
  }

  it('takes a name that it could not look up neither for absent nor for removed', async () => {
    const world: NodeContent = { images: [listed(HEX, 'r.test/app:1')], containers: [] }
    const answers = await answersOf('cri-o', world, ['nginx:1', 'r.test/app:1'], () => ({
      ...brokenStore,
      RemoveImage: () => {
        world.images = []
        return {}
      },
    }))
    expect(answers).toEqual([
      { outcome: 'Failed', detail: expect.stringContaining('layer not known') },
      removed,
    ])
  })

  it('removes nothing while a name that must stay cannot be looked up', async () => {
    const world: NodeContent = { images: [listed(HEX, 'q.test/nginx:1')], containers: [] }
    await expect(
      answersOf('cri-o', world, ['q.test/nginx:1'], () => brokenStore, ['nginx:1']),
    ).rejects.toThrow(/nginx:1 must stay and cannot be looked up: layer not known/)
    expect(world.images).toHaveLength(1)
  })

  it('removes an artifact by its names, because removal by ID has no effect', async () => {
    const images = ['r.test/model:1', 'r.test/model:2'].map(tag =>
      listed(HEX, tag, `r.test/model@sha256:${HEX}`),
    )
    const world: NodeContent = { images, containers: [] }
    const answers = await answersOf('cri-o', world, ['r.test/model:1', 'r.test/model:2'], () => ({
      RemoveImage: request => {
        world.images = world.images.filter(image => image !== named(world, request))
        return {}
      },
    }))
    expect(answers).toEqual([removed, removed])
    expect(world.images).toEqual([])
  })

  it('removes the leftover container of an ended pull before the image', async () => {
    const left = containerOf('pull', '', { imageId: HEX, state: 2, podSandboxId: 'over' })
    const world: NodeContent = { images: [listed(HEX, 'r.test/app:1')], containers: [left] }
    const answers = await answersOf('cri-o', world, ['r.test/app:1'], () => ({
      ListPodSandbox: request => {
        expect(request).toEqual({ filter: { labelSelector: { ...JOB_LABELS } } })
        return { items: [{ id: 'over', state: 1 }] }
      },
      RemoveContainer: ({ containerId }) => {
        world.containers = world.containers.filter(({ id }) => id !== containerId)
        return {}
      },
      RemoveImage: () => {
        const [user] = world.containers
        if (user) throw unknown(`delete image: image used by ${user.id}: image is in use by a container`)
        world.images = []
        return {}
      },
    }))
    expect(answers).toEqual([removed])
    expect(world).toEqual({ images: [], containers: [] })
  })

  it.each([
    ['runs', { state: 1, podSandboxId: 'over' }],
    ['belongs to a running Pod', { state: 2, podSandboxId: 'ready' }],
    ['belongs to a foreign Pod', { state: 2, podSandboxId: 'foreign' }],
  ])('keeps the container of a pull, and the image, when it %s', async (_, options) => {
    const world: NodeContent = {
      images: [listed(HEX, 'r.test/app:1')],
      containers: [containerOf('pull', '', { imageId: HEX, ...options })],
    }
    const answers = await answersOf('cri-o', world, ['r.test/app:1'], () => ({
      ListPodSandbox: () => ({
        items: [
          { id: 'over', state: 1 },
          { id: 'ready', state: 0 },
        ],
      }),
      RemoveContainer: () => expect.unreachable(),
      RemoveImage: () => expect.unreachable(),
    }))
    expect(answers).toEqual([{ outcome: 'InUse', detail: 'container pull' }])
  })

  it('ignores a container that was created from an earlier image of the tag', async () => {
    const image = { image: 'r.test/app:1', userSpecifiedImage: '', imageRef: '' }
    const world: NodeContent = {
      images: [listed(HEX, 'r.test/app:1')],
      containers: [containerOf('old', `r.test/app@${D1}`, { image, imageId: 'b'.repeat(64) })],
    }
    const answers = await answersOf('cri-o', world, ['r.test/app:1'], () => ({
      RemoveImage: () => {
        world.images = []
        return {}
      },
    }))
    expect(answers).toEqual([removed])
  })

  it('removes the image that the runtime resolves the short name to', async () => {
    const hub = listed('b'.repeat(64), 'docker.io/library/nginx:1')
    const world: NodeContent = { images: [hub, listed(HEX, 'q.test/nginx:1')], containers: [] }
    const answers = await answersOf('cri-o', world, ['nginx:1'], () => ({
      ImageStatus: request => ({
        image: world.images.find(({ id }) => id === HEX && /^(q\.test\/)?nginx:1$/.test(textOf(request))),
      }),
      RemoveImage: request => {
        world.images = world.images.filter(({ id }) => id !== textOf(request))
        return {}
      },
    }))
    expect(answers).toEqual([removed])
    expect(world.images).toEqual([hub])
  })
})

describe('removeImages with Docker', () => {
  it('continues when a container disappears between two calls', async () => {
    const id = `sha256:${HEX}`
    const world: NodeContent = {
      images: [listed(id, 'r.test/app:1')],
      containers: [containerOf('c0ffee', id)],
    }
    const answers = await answersOf('docker', world, ['r.test/app:1'], () => ({
      ContainerStatus: () => {
        world.containers = []
        throw unknown('Error response from daemon: No such container: c0ffee')
      },
      RemoveImage: () => {
        world.images = []
        return {}
      },
    }))
    // The list of containers still has it.
    expect(answers).toMatchObject([{ outcome: 'InUse' }])
    expect(world.images).toHaveLength(1)
  })

  it('answers InUse for an image of a foreign container, and Removed for the names that are gone', async () => {
    const id = `sha256:${HEX}`
    const world: NodeContent = { images: [listed(id, 'r.test/a:1', 'r.test/b:1')], containers: [] }
    const words =
      'Error response from daemon: conflict: unable to remove repository reference "r.test/b:1" (must force) - container c0ffee is using its referenced image aaaa'
    const answers = await answersOf('docker', world, ['r.test/a:1', 'r.test/b:1'], () => ({
      RemoveImage: () => {
        world.images = [listed(id, 'r.test/b:1')]
        throw unknown(words)
      },
    }))
    expect(answers).toEqual([removed, { outcome: 'InUse', detail: expect.stringContaining(words) }])
  })

  it('answers Failed with the runtime’s text for any other error', async () => {
    const world: NodeContent = { images: [listed(HEX, 'r.test/a:1')], containers: [] }
    const answers = await answersOf('docker', world, ['r.test/a:1'], () => ({
      RemoveImage: () => {
        throw unknown('Cannot connect to the Docker daemon')
      },
    }))
    expect(answers).toMatchObject([
      { outcome: 'Failed', detail: expect.stringContaining('Cannot connect to the Docker daemon') },
    ])
  })
})
