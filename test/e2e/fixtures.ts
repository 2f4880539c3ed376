import { test as base } from 'vitest'
import { type Cluster, connectCluster } from '../harness/cluster.ts'
import { clusterOfWorker } from '../harness/e2e-clusters.ts'
import { FaultyRegistry } from '../harness/faulty-registry.ts'
import { createNamespace, deleteNamespace } from '../harness/image-caches.ts'

/** The cluster that this file has to itself while it runs, with the product installed. */
export const cluster: Cluster = await connectCluster(clusterOfWorker())

/**
 * A test with what it asks for made for it, and taken away again: `namespace`, the name of one that
 * enforces the restricted Pod Security level (with it go the images that nodes had pulled); `faulty`, the
 * registry that nodes know as `faulty.test.local`.
 */
export const test = base
  // oxlint-disable-next-line no-empty-pattern -- vitest reads the needed fixtures from the pattern
  .extend('namespace', async ({}, { onCleanup }) => {
    const name = await createNamespace(cluster)
    onCleanup(async () => {
      await deleteNamespace(cluster, name)
      if (cluster.isLocal) await cluster.removeTestImages()
    })
    return name
  })
  // oxlint-disable-next-line no-empty-pattern -- as above
  .extend('faulty', async ({}, { onCleanup }) => {
    const registry = await FaultyRegistry.start(cluster.local)
    onCleanup(() => registry.stop())
    return registry
  })
