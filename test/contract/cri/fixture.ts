import { readFileSync } from 'node:fs'
import { afterAll, beforeAll } from 'vitest'
import { CriClient } from '../../../src/cri/index.ts'
import { Containerd } from '../../harness/containerd.ts'
import { FaultyRegistry } from '../../harness/faulty-registry.ts'
import { pushImage } from '../../harness/image-builder.ts'
import { Node } from './node.ts'

/** A containerd with nothing but its sandbox image, and a registry to fill it from. */
export interface World {
  readonly containerd: Containerd
  readonly client: CriClient
  readonly node: Node
  /** Pushes an image and pulls it onto the node; answers its whole name. The same seed is the same image ID. */
  pull(target: string, seed?: string): Promise<string>
  /** The name that `repo:tag` or `repo@digest` has with the registry's address. */
  name(target: string): string
  /** Every tag that the runtime lists, sorted. */
  tags(): Promise<readonly string[]>
}

/** Starts a world before the tests of a file and ends it afterwards. */
export function useWorld(): World {
  let registry: FaultyRegistry
  let containerd: Containerd
  let client: CriClient
  let node: Node
  const name = (target: string) => `${registry.url.replace('http://', '')}/${target}`
  const push = (target: string, seed = target) => pushImage(registry.store, target, { ...SLEEPER, seed })

  beforeAll(async () => {
    registry = await FaultyRegistry.start()
    containerd = await Containerd.start(name('sandbox:1'))
    client = new CriClient(containerd.socketPath)
    node = new Node(containerd)
    await push('sandbox:1')
    await node.pull(name('sandbox:1'))
  })
  afterAll(async () => {
    client?.close()
    node?.close()
    await containerd?.stop()
    await registry?.stop()
  })

  return {
    get containerd() {
      return containerd
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
    async tags() {
      const images = await client.listImages()
      return images.flatMap(({ repoTags }) => repoTags).toSorted()
    },
  }
}

/** An image that can run, as those of sandboxes must. */
const SLEEPER = {
  entrypoint: ['/bin/busybox', 'sleep', '2147483647'],
  files: [{ path: 'bin/busybox', mode: 0o755, content: readFileSync('/usr/bin/busybox') }],
}
