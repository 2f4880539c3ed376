import { imageCacheOf } from '../builders/image-cache.ts'
import { namespaceOf } from '../builders/namespace.ts'
import type { ImageCache, ImageCacheSpec } from '../../src/api/image-cache.ts'
import type { NodeImages } from '../../src/api/node-images.ts'
import { type Cluster, uniqueName } from './cluster.ts'
import { type EventuallyOptions, eventually } from './eventually.ts'

/** Statuses of an ended action. */
const ENDED: readonly string[] = ['Succeeded', 'Failed', 'NoImagesPulledOrDeleted', 'Aborted']

/** Name and namespace of an ImageCache. */
export interface CacheAddress {
  readonly namespace: string
  readonly name: string
}

/** Creates a namespace with the restricted Pod Security level. Returns its name. */
export async function createNamespace(cluster: Cluster, prefix = 'e2e'): Promise<string> {
  const name = uniqueName(prefix)
  await cluster.apply(namespaceOf(name, { 'pod-security.kubernetes.io/enforce': 'restricted' }))
  return name
}

/** Deletes a namespace with its content, and waits until its ImageCaches are gone. */
export async function deleteNamespace(cluster: Cluster, name: string): Promise<void> {
  await cluster.kubectl(['-n', name, 'delete', 'imagecaches', '--all'])
  await cluster.kubectl(['delete', 'namespace', name, '--wait=false'])
}

/** Creates an ImageCache, with a unique name unless one is given. */
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

/** The ImageCache, from `kubectl get -o json`. */
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

/** Sets `kubefledged.io/refresh-imagecache`. Its value has no meaning. */
export async function annotateRefresh(cluster: Cluster, address: CacheAddress, value = ''): Promise<void> {
  await patchCache(cluster, address, {
    metadata: { annotations: { 'kubefledged.io/refresh-imagecache': value } },
  })
}

/** Sets `kubefledged.io/purge-imagecache`. Its value has no meaning. */
export async function annotatePurge(cluster: Cluster, address: CacheAddress, value = ''): Promise<void> {
  await patchCache(cluster, address, {
    metadata: { annotations: { 'kubefledged.io/purge-imagecache': value } },
  })
}

/** True when the last action has ended for the current spec, and no refresh or purge is requested. */
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

/** Waits until the cache matches. The message of a failure has its last status. */
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

/** The NodeImages of a node: its plan and its ledger. */
export function getNodeImages(cluster: Cluster, node: string): Promise<NodeImages> {
  return cluster.kubectlJson<NodeImages>(['get', 'nodeimages', node])
}
