import type { Cluster } from '../harness/cluster.ts'

/**
 * How long the nodes take to pull images by their runtime alone, in seconds: every node all of them, nodes
 * side by side.
 */
export async function pullByRuntime(
  cluster: Cluster,
  nodes: readonly string[],
  images: readonly string[],
  atOnce: number,
): Promise<number> {
  const began = performance.now()
  await Promise.all(nodes.map(node => pullAll(cluster, node, images, atOnce)))
  return (performance.now() - began) / 1000
}

async function pullAll(
  cluster: Cluster,
  node: string,
  images: readonly string[],
  atOnce: number,
): Promise<void> {
  const left = images.values()
  const worker = async () => {
    for (const image of left) await cluster.pullWithCtr(node, image)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

/**
 * How long the nodes take to remove images by one command of their runtime, in seconds: nodes side by side.
 */
export async function removeByRuntime(
  cluster: Cluster,
  nodes: readonly string[],
  images: readonly string[],
): Promise<number> {
  const began = performance.now()
  const ctr = ['ctr', '--namespace', 'k8s.io', 'images', 'rm', '--sync'] as const
  await Promise.all(nodes.map(node => cluster.nodeExec(node, [...ctr, ...images], { timeoutMs: 120_000 })))
  return (performance.now() - began) / 1000
}
