import { registryHost, tryParseReference } from './reference.ts'

const MOST = 20_000
const hosts = new Map<string, string>()

/** Registry host of an image, remembered: it is asked for every image of every node. Empty where it is no reference. */
export function hostOf(image: string): string {
  const known = hosts.get(image)
  if (known !== undefined) return known
  const reference = tryParseReference(image)
  const host = reference ? registryHost(reference) : ''
  if (hosts.size >= MOST) hosts.clear()
  hosts.set(image, host)
  return host
}
