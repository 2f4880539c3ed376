import { imageCacheOf } from '../builders/image-cache.ts'
import { namespaceOf } from '../builders/namespace.ts'
import type { ImageCache, ImageCacheSpec } from '../../src/api/image-cache.ts'
import type { NodeImages } from '../../src/api/node-images.ts'
import { type Cluster, uniqueName } from './cluster.ts'
import { type EventuallyOptions, eventually } from './eventually.ts'

/** Statuses with which an action ends. */
const ENDED: readonly string[] = ['Succeeded', 'Failed', 'NoImagesPulledOrDeleted', 'Aborted']

/** Where an ImageCache is. */
export interface CacheAddress {
  readonly namespace: string
  readonly name: string
}

/** Makes a namespace that admits no Pod beyond the restricted Pod Security level; answers its name. */
export async function createNamespace(cluster: Cluster, prefix = 'e2e'): Promise<string> {
  const name = uniqueName(prefix)
  await cluster.apply(namespaceOf(name, { 'pod-security.kubernetes.io/enforce': 'restricted' }))
  return name
}

/** Deletes a namespace with everything in it, and waits until its ImageCaches are gone. */
export async function deleteNamespace(cluster: Cluster, name: string): Promise<void> {
  await cluster.kubectl(['-n', name, 'delete', 'imagecaches', '--all'])
  await cluster.kubectl(['delete', 'namespace', name, '--wait=false'])
}

/** Creates an ImageCache, under a name of its own unless one is given. */
export async function createCache(
  cluster: Cluster,
  namespace: string,
  spec: ImageCacheSpec,
  metadata: { readonly name?: string; readonly annotations?: Readonly<Record<string, string>> } = {},
): Promise<CacheAddress> {
  const address = { namespace, name: metadata.name ?? uniqueName('cache') }
  const object = imageCacheOf({ ...metadata, ...address }, spec)
  await cluster.kubectl(['create', '-f', '-'], { input: JSON.stringify(object) })
  return address
}

/** The ImageCache as `kubectl get -o json` prints it. */
export function getCache(cluster: Cluster, { namespace, name }: CacheAddress): Promise<ImageCache> {
  return cluster.kubectlJson<ImageCache>(['-n', namespace, 'get', 'imagecache', name])
}

/** `kubectl patch --type merge` of an ImageCache. */
export async function patchCache(cluster: Cluster, address: CacheAddress, patch: object): Promise<void> {
  await cluster.kubectl([
    '-n',
    address.namespace,
    'patch',
    'imagecache',
    address.name,
    '--type=merge',
    `--patch=${JSON.stringify(patch)}`,
  ])
}

/** Sets `kubefledged.io/refresh-imagecache`; the value means nothing. */
export async function annotateRefresh(cluster: Cluster, address: CacheAddress, value = ''): Promise<void> {
  await patchCache(cluster, address, {
    metadata: { annotations: { 'kubefledged.io/refresh-imagecache': value } },
  })
}

/** Sets `kubefledged.io/purge-imagecache`; the value means nothing. */
export async function annotatePurge(cluster: Cluster, address: CacheAddress, value = ''): Promise<void> {
  await patchCache(cluster, address, {
    metadata: { annotations: { 'kubefledged.io/purge-imagecache': value } },
  })
}

/** True where the last action has ended for the spec as it is now, and no refresh or purge is asked for. */
function isSettled(cache: ImageCache): boolean {
  return (
    ENDED.includes(cache.status?.status ?? '') &&
    cache.status?.observedGeneration === cache.metadata.generation &&
    cache.metadata.annotations?.['kubefledged.io/refresh-imagecache'] === undefined &&
    cache.metadata.annotations?.['kubefledged.io/purge-imagecache'] === undefined
  )
}

/** Waits until the cache is settled with this `status.status`. */
export async function waitForStatus(
  cluster: Cluster,
  address: CacheAddress,
  status: string,
  options: EventuallyOptions = {},
): Promise<ImageCache> {
  return waitForCache(
    cluster,
    address,
    `to be ${status}`,
    cache => isSettled(cache) && cache.status?.status === status,
    options,
  )
}

/** Waits until the cache is as wanted. The message of a failure holds the status as it was last. */
export async function waitForCache(
  cluster: Cluster,
  address: CacheAddress,
  what: string,
  isWanted: (cache: ImageCache) => boolean,
  options: EventuallyOptions = {},
): Promise<ImageCache> {
  return eventually(
    `ImageCache ${address.namespace}/${address.name} ${what}`,
    async () => {
      const cache = await getCache(cluster, address)
      if (isWanted(cache)) return cache
      throw new Error(`its status is ${JSON.stringify(cache.status)}`)
    },
    { everyMs: 300, timeoutMs: 120_000, ...options },
  )
}

/** What a node shall hold and the ledger of what happened there. */
export function getNodeImages(cluster: Cluster, node: string): Promise<NodeImages> {
  return cluster.kubectlJson<NodeImages>(['get', 'nodeimages', node])
}
