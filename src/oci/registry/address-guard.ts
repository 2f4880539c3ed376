import dns, { type LookupAddress } from 'node:dns'
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net'
import { canonicalAddress } from './ip-address.ts'
import { RegistryError } from './registry-error.ts'

const LOOPBACK = blockList(['127.0.0.0/8', '::1/128'])
const NEVER = blockList([
  '0.0.0.0/8', // this host
  '169.254.0.0/16', // link-local; the metadata services of most clouds
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
  '100.100.100.200/32', // metadata service of Alibaba Cloud
  '168.63.129.16/32', // the platform's own address in Azure
  '192.0.0.192/32', // metadata service of Oracle Cloud
  '::/96', // unspecified and IPv4-compatible
  'fe80::/10', // link-local
  'fec0::/10', // site-local, deprecated
  'ff00::/8', // multicast
  'fd00:ec2::/32', // metadata service of AWS
  '2001::/32', // Teredo: an IPv4 address in disguise
  '2002::/16', // 6to4: the same
])

/** What may be asked besides everything that is neither loopback, link-local nor a metadata service. */
export interface AddressRules {
  /** True for further addresses that are never asked. Gets IPv4 in dotted form, also where IPv6 wraps it. */
  readonly blocked: (address: string) => boolean
  /** `host:port` whose addresses may be loopback. */
  readonly loopbackHosts: ReadonlySet<string>
}

/** Keeps requests away from addresses that only this process can reach. */
export class AddressGuard {
  readonly #rules: AddressRules

  constructor(rules: AddressRules) {
    this.#rules = rules
  }

  /** True where a connection to the address may be opened for `host`, a `host:port` as {@link URL} writes it. */
  allows(address: string, host: string): boolean {
    const canonical = canonicalAddress(address)
    if (canonical === undefined) return false
    const family = isIPv6(canonical) ? 'ipv6' : 'ipv4'
    if (LOOPBACK.check(canonical, family)) return this.#rules.loopbackHosts.has(host)
    return !NEVER.check(canonical, family) && !this.#rules.blocked(canonical)
  }

  /**
   * How a connection to the URL finds its address. The address is checked and then connected to, so that no second answer of DNS can
   * come in between. Throws RegistryError `Blocked` at once where the URL names an address itself.
   */
  lookupFor(url: URL): LookupFunction {
    const literal = url.hostname.replaceAll(/^\[|\]$/g, '')
    // Node asks no lookup for what is an address already.
    if (isIP(literal) !== 0 && !this.allows(literal, url.host)) throw blockedError(url)
    return (hostname, options, callback) => {
      dns.lookup(hostname, { ...options, all: true }, (error, addresses) => {
        if (error) return callback(error, [])
        const allowed = addresses.filter(({ address }) => this.allows(address, url.host))
        const [first] = allowed
        if (!first) return callback(blockedError(url), [])
        if (options.all) return callback(null, allowed satisfies LookupAddress[])
        callback(null, first.address, first.family)
      })
    }
  }
}

function blockedError(url: URL): RegistryError {
  return new RegistryError('Blocked', `${url.host} is at an address that is not asked`)
}

function blockList(subnets: readonly string[]): BlockList {
  const list = new BlockList()
  for (const subnet of subnets) {
    const [network = '', bits] = subnet.split('/')
    list.addSubnet(network, Number(bits), isIPv6(network) ? 'ipv6' : 'ipv4')
  }
  return list
}
