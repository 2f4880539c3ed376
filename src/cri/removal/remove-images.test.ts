import { describe, expect, it } from 'vitest'
import { JOB_LABELS } from '../../api/constants.ts'
import type { Container, Image, ImageSpec } from '../generated/cri.ts'
import { type Answers, clientOf, containerOf, listed, unknown } from '../testing.ts'
import { silentLogger } from '../../base/logger.ts'
import { purge } from './remove-images.ts'
import type { PurgeAnswer } from './result.ts'

const D1 = `sha256:${'1'.repeat(64)}`
const HEX = 'a'.repeat(64)

/** What is on a node, and what its runtime says to calls. */
interface ClusterState {
  images: Image[]
  containers: Container[]
}

/** The calls that every runtime answers alike; `answers` has the others. */
async function purgeOf(
  name: string,
  world: ClusterState,
  remove: readonly string[],
  answers: (world: ClusterState) => Answers,
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
  const result = await purge({ client, runtime, request: { remove, keep: [] }, log: silentLogger, signal })
  return result.answers
}

const textOf = ({ image }: { readonly image?: ImageSpec }) => image?.image ?? ''
const named = (world: ClusterState, request: { readonly image?: ImageSpec }) =>
  world.images.find(({ repoTags, repoDigests }) => [...repoTags, ...repoDigests].includes(textOf(request)))
const removed: PurgeAnswer = { outcome: 'Removed', detail: '' }

describe('purge, with CRI-O', () => {
  it('removes an artifact by its names, as its ID is answered for without a deed', async () => {
    const images = ['r.test/model:1', 'r.test/model:2'].map(tag =>
      listed(HEX, tag, `r.test/model@sha256:${HEX}`),
    )
    const world: ClusterState = { images, containers: [] }
    const answers = await purgeOf('cri-o', world, ['r.test/model:1', 'r.test/model:2'], () => ({
      RemoveImage: request => {
        world.images = world.images.filter(image => image !== named(world, request))
        return {}
      },
    }))
    expect(answers).toEqual([removed, removed])
    expect(world.images).toEqual([])
  })

  it('removes what an ended pull left behind, without which the image would stay', async () => {
    const left = containerOf('pull', '', { imageId: HEX, state: 2, podSandboxId: 'over' })
    const world: ClusterState = { images: [listed(HEX, 'r.test/app:1')], containers: [left] }
    const answers = await purgeOf('cri-o', world, ['r.test/app:1'], () => ({
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
    ['is of a Pod that goes on', { state: 2, podSandboxId: 'ready' }],
    ['is of a Pod of others', { state: 2, podSandboxId: 'foreign' }],
  ])('leaves the container of a pull, and the image, where it %s', async (_, options) => {
    const world: ClusterState = {
      images: [listed(HEX, 'r.test/app:1')],
      containers: [containerOf('pull', '', { imageId: HEX, ...options })],
    }
    const answers = await purgeOf('cri-o', world, ['r.test/app:1'], () => ({
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

  it('takes no image for used whose tag was another’s when the container was made', async () => {
    const image = { image: 'r.test/app:1', userSpecifiedImage: '', imageRef: '' }
    const world: ClusterState = {
      images: [listed(HEX, 'r.test/app:1')],
      containers: [containerOf('old', `r.test/app@${D1}`, { image, imageId: 'b'.repeat(64) })],
    }
    const answers = await purgeOf('cri-o', world, ['r.test/app:1'], () => ({
      RemoveImage: () => {
        world.images = []
        return {}
      },
    }))
    expect(answers).toEqual([removed])
  })

  it('removes what it takes a short name for', async () => {
    const hub = listed('b'.repeat(64), 'docker.io/library/nginx:1')
    const world: ClusterState = { images: [hub, listed(HEX, 'q.test/nginx:1')], containers: [] }
    const answers = await purgeOf('cri-o', world, ['nginx:1'], () => ({
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

describe('purge, with Docker', () => {
  it('goes on where a container goes between two looks', async () => {
    const id = `sha256:${HEX}`
    const world: ClusterState = {
      images: [listed(id, 'r.test/app:1')],
      containers: [containerOf('c0ffee', id)],
    }
    const answers = await purgeOf('docker', world, ['r.test/app:1'], () => ({
      ContainerStatus: () => {
        world.containers = []
        throw unknown('Error response from daemon: No such container: c0ffee')
      },
      RemoveImage: () => {
        world.images = []
        return {}
      },
    }))
    // The list of containers still had it.
    expect(answers).toMatchObject([{ outcome: 'InUse' }])
    expect(world.images).toHaveLength(1)
  })

  it('says InUse of what a container uses that Kubernetes did not make, and Removed of the names that went', async () => {
    const id = `sha256:${HEX}`
    const world: ClusterState = { images: [listed(id, 'r.test/a:1', 'r.test/b:1')], containers: [] }
    const words =
      'Error response from daemon: conflict: unable to remove repository reference "r.test/b:1" (must force) - container c0ffee is using its referenced image aaaa'
    const answers = await purgeOf('docker', world, ['r.test/a:1', 'r.test/b:1'], () => ({
      RemoveImage: () => {
        world.images = [listed(id, 'r.test/b:1')]
        throw unknown(words)
      },
    }))
    expect(answers).toEqual([removed, { outcome: 'InUse', detail: expect.stringContaining(words) }])
  })

  it('says Failed in its words of everything else', async () => {
    const world: ClusterState = { images: [listed(HEX, 'r.test/a:1')], containers: [] }
    const answers = await purgeOf('docker', world, ['r.test/a:1'], () => ({
      RemoveImage: () => {
        throw unknown('Cannot connect to the Docker daemon')
      },
    }))
    expect(answers).toMatchObject([
      { outcome: 'Failed', detail: expect.stringContaining('Cannot connect to the Docker daemon') },
    ])
  })
})
