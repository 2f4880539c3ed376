import { readFileSync } from 'node:fs'
import { afterAll, beforeAll } from 'vitest'
import { CriClient, type RuntimeVersion } from '../../../src/cri/index.ts'
import { Containerd } from '../../harness/containerd.ts'
import { FaultyRegistry } from '../../harness/faulty-registry.ts'
import { type ImageOptions, pushImage, pushIndex } from '../../harness/image-builder.ts'
import { Node } from './node.ts'

/**
 * Socket of a runtime to test in place of the test's own containerd. This runtime must accept 127.0.0.1 as an
 * insecure registry, and pin its sandbox image.
 */
export const GIVEN_SOCKET = process.env['CRI_SOCKET']

/** A runtime, by default a containerd with only its sandbox image, and a registry. */
export interface ClusterState {
  readonly socketPath: string
  readonly runtime: RuntimeVersion
  /** Name of the sandbox image. */
  readonly sandboxImage: string
  readonly client: CriClient
  readonly node: Node
  /**
   * Pushes an image and pulls it to the node. Returns its full name. The same seed gives the same image ID.
   */
  pull(target: string, seed?: string): Promise<string>
  /** Pushes an index and pulls it by its digest. Returns this name. */
  pullIndex(target: string): Promise<string>
  /** The full name of `repo:tag` or `repo@digest` in the registry. */
  name(target: string): string
  /** All tags in the runtime's list, sorted. */
  tags(): Promise<readonly string[]>
}

/** Starts a world before the tests of a file and closes it after them. */
export function useWorld(): ClusterState {
  let registry: FaultyRegistry
  let containerd: Containerd | undefined
  let socketPath: string
  let client: CriClient
  let node: Node
  let runtime: RuntimeVersion
  let sandboxImage: string
  const name = (target: string) => `${registry.url.replace('http://', '')}/${target}`
  const push = (target: string, seed = target) =>
    pushImage(registry.store, target, { ...SLEEPER, seed: name(seed) })

  beforeAll(async () => {
    registry = await FaultyRegistry.start()
    if (GIVEN_SOCKET === undefined) containerd = await Containerd.start(name('sandbox:1'))
    socketPath = GIVEN_SOCKET ?? containerd?.socketPath ?? ''
    client = new CriClient(socketPath)
    node = new Node(socketPath, containerd?.cgroupParent ?? '/cri-contract')
    runtime = await client.version()
    if (containerd) {
      await push('sandbox:1')
      await node.pull(name('sandbox:1'))
    }
    sandboxImage = (await client.listImages()).find(({ pinned }) => pinned)?.repoTags[0] ?? ''
  })
  afterAll(async () => {
    if (GIVEN_SOCKET !== undefined) await clear(client, name(''))
    client?.close()
    node?.close()
    await containerd?.stop()
    await registry?.stop()
  })

  return {
    get socketPath() {
      return socketPath
    },
    get runtime() {
      return runtime
    },
    get sandboxImage() {
      return sandboxImage
    },
    get client() {
      return client
    },
    get node() {
      return node
    },
    name,
    async pull(target, seed) {
      await push(target, seed)
      await node.pull(name(target))
      return name(target)
    },
    async pullIndex(target) {
      const { digest } = await pushIndex(registry.store, target, ['linux/amd64', 'linux/arm64'], SLEEPER)
      const pulled = name(`${target.replace(/:[^:]*$/, '')}@${digest}`)
      await node.pull(pulled)
      return pulled
    },
    async tags() {
      const images = await client.listImages()
      return images.flatMap(({ repoTags }) => repoTags).toSorted()
    },
  }
}

/** Removes the images of a registry from a runtime that keeps running. */
async function clear(client: CriClient, registry: string): Promise<void> {
  for (const { id, repoTags, repoDigests } of await client.listImages()) {
    const isOurs = [...repoTags, ...repoDigests].some(listed => listed.startsWith(registry))
    if (isOurs) await client.removeImage(id)
  }
}

/** An image that can run, for sandboxes. */
const SLEEPER: ImageOptions = {
  entrypoint: ['/bin/busybox', 'sleep', '2147483647'],
  files: [{ path: 'bin/busybox', mode: 0o755, content: readFileSync('/usr/bin/busybox') }],
}
