import { test as base } from 'vitest'
import { type Cluster, connectCluster } from '../harness/cluster.ts'
import { FaultyRegistry } from '../harness/faulty-registry.ts'
import { createNamespace, deleteNamespace } from '../harness/image-caches.ts'

/** The cluster that the environment chooses, with the product installed. */
export const cluster: Cluster = await connectCluster()

/** A test with what it needs made for it alone, and taken away again. */
export const test = base.extend<{ namespace: string; faulty: FaultyRegistry }>({
  /** Name of a namespace that enforces the restricted Pod Security level. */
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of the fixtures from the pattern
  namespace: async ({}, use) => {
    const name = await createNamespace(cluster)
    await use(name)
    await deleteNamespace(cluster, name)
  },
  /** A registry that nodes know as `faulty.test.local`. */
  // biome-ignore lint/correctness/noEmptyPattern: as above
  faulty: async ({}, use) => {
    const registry = await FaultyRegistry.start(cluster.local)
    await use(registry)
    await registry.stop()
  },
})
