import dns, { type LookupAddress } from 'node:dns'
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net'
import { canonicalAddress } from './ip-address.ts'
import { RegistryError } from './registry-error.ts'

const LOOPBACK = blockList(['127.0.0.0/8', '::1/128'])
const ALWAYS_BLOCKED = blockList([
  '0.0.0.0/8', // this host
  '169.254.0.0/16', // link-local, and the metadata services of most clouds
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
  '100.100.100.200/32', // metadata service of Alibaba Cloud
  '168.63.129.16/32', // platform address of Azure
  '192.0.0.192/32', // metadata service of Oracle Cloud
  '::/96', // unspecified and IPv4-compatible
  'fe80::/10', // link-local
  'fec0::/10', // site-local, deprecated
  'ff00::/8', // multicast
  'fd00:ec2::/32', // metadata service of AWS
  '2001::/32', // Teredo, embeds an IPv4 address
  '2002::/16', // 6to4, embeds an IPv4 address
])

/**
 * Exceptions and additions to the built-in rules. Built-in: loopback, link-local and metadata services are
 * blocked.
 */
export interface AddressRules {
  /**
   * True for further addresses that are blocked. Receives IPv4 in dotted form, also when it is embedded in
   * IPv6.
   */
  readonly blocked: (address: string) => boolean
  /** `host:port` of each host that may have loopback addresses. */
  readonly loopbackHosts: ReadonlySet<string>
}

/** Blocks connections to internal addresses, such as loopback, link-local and metadata services. */
export class AddressGuard {
  readonly #rules: AddressRules

  constructor(rules: AddressRules) {
    this.#rules = rules
  }

  /** True when a connection to the address is allowed for `host`, a `host:port` as {@link URL} formats it. */
  allows(address: string, host: string): boolean {
    const canonical = canonicalAddress(address)
    if (canonical === undefined) return false
    const family = isIPv6(canonical) ? 'ipv6' : 'ipv4'
    if (LOOPBACK.check(canonical, family)) return this.#rules.loopbackHosts.has(host)
    return !ALWAYS_BLOCKED.check(canonical, family) && !this.#rules.blocked(canonical)
  }

  /**
   * The lookup function for connections to the URL. It checks the address to which the connection is then
   * opened, so a second DNS answer cannot replace it. Throws RegistryError `Blocked` at once when the URL
   * contains a blocked address.
   */
  lookupFor(url: URL): LookupFunction {
    const literal = url.hostname.replaceAll(/^\[|\]$/g, '')
    // Node does not call the lookup function for an IP address.
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
