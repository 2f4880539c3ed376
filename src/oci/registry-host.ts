import { registryHost, tryParseReference } from './reference.ts'

const MAX_HOSTS = 20_000
const hosts = new Map<string, string>()

/**
 * Registry host of an image, from a cache: it is needed for each image of each node. Empty for an invalid
 * reference.
 */
export function hostOf(image: string): string {
  const known = hosts.get(image)
  if (known !== undefined) return known
  const reference = tryParseReference(image)
  const host = reference ? registryHost(reference) : ''
  if (hosts.size >= MAX_HOSTS) hosts.clear()
  hosts.set(image, host)
  return host
}
