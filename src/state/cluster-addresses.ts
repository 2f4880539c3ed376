import { BlockList, isIPv4, isIPv6 } from 'node:net'
import type { KubeObject } from '../api/object.ts'
import { type KubeClient, type Logger, type Resource, isKubeError } from '../kube/index.ts'

/** The fields of networking.k8s.io/v1 ServiceCIDR that are read. */
interface ServiceCidr extends KubeObject {
  readonly spec?: { readonly cidrs?: readonly string[] }
}

/** Time until a range that was added to the cluster is known. */
const REREAD_MS = 300_000

/**
 * The addresses of the cluster itself: the API server's, and those of Services where the API server lists
 * them (Kubernetes
 * 1.33 and newer). No image reference may make the controller connect to them. They are read again every
 * five minutes.
 */
export class ClusterAddresses {
  readonly #serviceCidrs: Resource<ServiceCidr>
  readonly #apiServer: string
  readonly #log: Logger
  #blocked = new BlockList()
  #hasWarned = false

  /** @param apiServer host of the API server's URL */
  constructor(client: KubeClient, apiServer: string, log: Logger) {
    this.#serviceCidrs = client.resource({
      group: 'networking.k8s.io',
      version: 'v1',
      plural: 'servicecidrs',
      kind: 'ServiceCIDR',
      namespaced: false,
    })
    this.#apiServer = apiServer.replace(/^\[|\]$/g, '')
    this.#log = log
  }

  /** True where the address is one of the cluster's own. */
  has(address: string): boolean {
    return this.#blocked.check(address, family(address))
  }

  /** Reads the addresses of Services. Throws KubeError; the addresses that were known before stay known. */
  async read(signal: AbortSignal): Promise<void> {
    const blocked = new BlockList()
    if (isIPv4(this.#apiServer) || isIPv6(this.#apiServer)) {
      blocked.addAddress(this.#apiServer, family(this.#apiServer))
    }
    for (const cidr of await this.#cidrs(signal)) {
      const [network = '', bits = ''] = cidr.split('/')
      blocked.addSubnet(network, Number(bits), family(network))
    }
    this.#blocked = blocked
  }

  /** Reads the addresses again. The queue has one key, which has no meaning. */
  async reconcile(_: string, signal: AbortSignal): Promise<{ requeueAfterMs: number }> {
    await this.read(signal)
    return { requeueAfterMs: REREAD_MS }
  }

  async #cidrs(signal: AbortSignal): Promise<string[]> {
    try {
      const { items } = await this.#serviceCidrs.list({ signal })
      return items.flatMap(item => item.spec?.cidrs ?? [])
    } catch (error) {
      if (!isKubeError(error, 'NotFound', 'Forbidden')) throw error
      if (!this.#hasWarned) {
        const words =
          'the API server does not say which addresses Services have: they are not kept from registry requests'
        this.#log.warn({}, words)
      }
      this.#hasWarned = true
      return []
    }
  }
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6'
}
