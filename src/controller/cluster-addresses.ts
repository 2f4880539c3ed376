import { BlockList, isIPv4, isIPv6 } from 'node:net'
import type { KubeObject } from '../api/object.ts'
import { type KubeClient, type Logger, isKubeError } from '../kube/index.ts'

/** networking.k8s.io/v1 ServiceCIDR, as far as it is read. */
interface ServiceCidr extends KubeObject {
  readonly spec?: { readonly cidrs?: readonly string[] }
}

/**
 * The addresses of the cluster itself, which no image reference may make us ask: the API server's and, where the API
 * server says which they are (Kubernetes 1.33 and newer), those of Services.
 *
 * @param apiServer host of the API server's URL
 */
export async function clusterAddresses(
  client: KubeClient,
  apiServer: string,
  log: Logger,
  signal: AbortSignal,
): Promise<(address: string) => boolean> {
  const list = new BlockList()
  const host = apiServer.replace(/^\[|\]$/g, '')
  if (isIPv4(host) || isIPv6(host)) list.addAddress(host, isIPv4(host) ? 'ipv4' : 'ipv6')
  const def = {
    group: 'networking.k8s.io',
    version: 'v1',
    plural: 'servicecidrs',
    kind: 'ServiceCIDR',
    namespaced: false,
  }
  try {
    const { items } = await client.resource<ServiceCidr>(def).list({ signal })
    for (const cidr of items.flatMap(item => item.spec?.cidrs ?? [])) {
      const [network = '', bits = ''] = cidr.split('/')
      list.addSubnet(network, Number(bits), isIPv4(network) ? 'ipv4' : 'ipv6')
    }
  } catch (error) {
    if (!isKubeError(error, 'NotFound', 'Forbidden')) throw error
    log.warn(
      {},
      'the API server does not say which addresses Services have: they are not kept from registry requests',
    )
  }
  return address => list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
}
