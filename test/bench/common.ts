import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from '../harness/cluster-env.ts'
import { type Cluster, eventually } from '../harness/cluster.ts'
import { run } from '../harness/command.ts'
import { InstalledController } from '../harness/controller.ts'
import { removeByRuntime } from './floor.ts'

/** What the benches share. */

/** Longest wait for images to come, in milliseconds. */
export const ALLOWED_MS = 300_000

/** Prints one line of a report. */
export function line(what: string, value: string, beside = ''): void {
  console.log(`${what.padEnd(34)}${value.padEnd(12)}${beside}`)
}

/** Bytes as whole megabytes. */
export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0)
}

/** `kubefledged_api_requests` by verb, of a page of the controller's metrics. */
export function ownRequests(page: string): Map<string, number> {
  const lines = page.matchAll(/^kubefledged_api_requests\{verb="(\w+)"\} (\d+)$/gm)
  return new Map([...lines].map(([, verb = '', count]) => [verb, Number(count)]))
}

/** Waits until a node's runtime lists all of the images. */
export async function hasAll(cluster: Cluster, node: string, images: readonly string[]): Promise<void> {
  await eventually(
    `${images.length} images on ${node}`,
    async () => {
      const listed = await cluster.runtimeImages(node)
      return images.every(image => listed.has(image))
    },
    { everyMs: 400, timeoutMs: ALLOWED_MS },
  )
}

/** Installs the product where it is not. */
export async function install(cluster: Cluster): Promise<InstalledController> {
  const controller = new InstalledController(cluster)
  const isThere = await controller.pods().then(pods => pods.length > 0)
  if (isThere) return controller
  console.log('installing the product')
  await access(join(ROOT, 'hack/cluster/deploy.sh'))
  await run(['bash', join(ROOT, 'hack/cluster/deploy.sh')], {
    timeoutMs: 600_000,
    env: { CLUSTER_DIR: cluster.local.data },
  })
  return controller
}

/**
 * Leaves the cluster as it was found: the images, of repositories `name/…`, would make the nodes' lists
 * longer for the next run.
 */
export async function clear(cluster: Cluster, name: string): Promise<void> {
  await cluster.kubectl(['delete', 'namespace', name, '--ignore-not-found'], { timeoutMs: 120_000 })
  for (const node of await cluster.nodes()) {
    const listed = [...(await cluster.runtimeImages(node))].filter(image => image.includes(`/${name}/`))
    if (listed.length > 0) await removeByRuntime(cluster, [node], listed)
  }
}
