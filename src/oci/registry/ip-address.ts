import { isIPv4, isIPv6 } from 'node:net'

/** IPv6 prefixes, in 16-bit words, whose addresses embed an IPv4 address in the last 32 bits. */
const IPV4_EMBEDDING_PREFIXES: readonly (readonly number[])[] = [
  /** IPv4-mapped, RFC 4291 §2.5.5.2. */
  [0, 0, 0, 0, 0, 0xffff],
  /** IPv4-translated, RFC 7915. */
  [0, 0, 0, 0, 0xffff, 0],
  /** NAT64, RFC 6052. */
  [0x64, 0xff9b, 0, 0, 0, 0],
  /** Local-use NAT64, RFC 8215. */
  [0x64, 0xff9b, 1],
]

/**
 * Normalises an address. IPv4 is in dotted form, also when it is embedded in IPv6. IPv6 is in its shortest
 * lower-case form without zone. Undefined for text that is no address.
 */
export function canonicalAddress(address: string): string | undefined {
  if (isIPv4(address)) return address
  const [bare = ''] = address.split('%')
  if (!isIPv6(bare)) return undefined
  const text = new URL(`http://[${bare}]/`).hostname.slice(1, -1)
  const words = wordsOf(text)
  if (!IPV4_EMBEDDING_PREFIXES.some(prefix => prefix.every((word, index) => words[index] === word)))
    return text
  return words
    .slice(6)
    .flatMap(word => [word >> 8, word & 0xff])
    .join('.')
}

/** The eight 16-bit words of an IPv6 address without dotted parts. */
function wordsOf(text: string): number[] {
  const [head = '', tail] = text.split('::')
  const parse = (part: string) => (part === '' ? [] : part.split(':').map(word => Number.parseInt(word, 16)))
  const first = parse(head)
  if (tail === undefined) return first
  const last = parse(tail)
  return [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last]
}
