import { InvalidReferenceError } from './reference-error.ts'

/**
 * Rules for the parts of an image reference. Source: distribution/reference v0.6, opencontainers/go-digest.
 */

/** A part of a reference with its position, for error messages. */
export interface Part {
  /** The whole reference. */
  readonly whole: string
  readonly text: string
  /** Index of `text` in `whole`. */
  readonly start: number
}

const COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/
const DOMAIN_NAME =
  /^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*$/
const IPV6 = /^\[[a-fA-F0-9:]+\]$/
/** Longest DNS name, without the port. */
const MAX_HOST = 253
/** Digits of the greatest port, 65535. */
const MAX_PORT = 5
const TAG = /^\w[\w.-]*$/
const MAX_TAG = 128
/** Number of hexadecimal digits of each digest algorithm that runtimes accept. */
const DIGEST_HEX: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 }

/** Checks `host[:port]`: a DNS name, an IPv4 address, or an IPv6 address in brackets. */
export function checkHost(part: Part): void {
  const colon = part.text.startsWith('[')
    ? part.text.indexOf(':', part.text.indexOf(']'))
    : part.text.indexOf(':')
  const host = colon < 0 ? part.text : part.text.slice(0, colon)
  if (host.length > MAX_HOST) {
    fail(part, `the registry host has ${host.length} characters, ${MAX_HOST} are allowed`)
  }
  // Runtimes also accept a host with underscores when no port follows. It matches the rule for a path
  // component.
  const known = IPV6.test(host) || DOMAIN_NAME.test(host) || (colon < 0 && COMPONENT.test(host))
  const v6 = host.startsWith('[') || part.text.split(':').length > 2
  if (!known || (v6 && !IPV6.test(host))) {
    fail(part, `the registry host is not ${v6 ? 'an IPv6 address in brackets' : 'a host name'}`)
  }
  if (colon < 0) return
  const port = part.text.slice(colon + 1)
  if (!/^[0-9]+$/.test(port)) fail(part, 'the port of the registry is not a number', colon + 1)
  if (port.length > MAX_PORT) {
    fail(part, `the port of the registry has ${port.length} digits, ${MAX_PORT} are allowed`, colon + 1)
  }
}

/**
 * Checks a repository name: lower-case components, separated by slashes. Between letters and digits, a
 * component may have one `.`, one or two `_`, or dashes.
 */
export function checkPath(part: Part): void {
  const upper = part.text.search(/[A-Z]/)
  if (upper >= 0) fail(part, 'repository names are lower case, here is an upper-case letter', upper)
  let at = 0
  for (const component of part.text.split('/')) {
    if (component === '') {
      fail(part, part.text === '' ? 'the repository name is missing' : 'a path component is empty', at)
    }
    if (!COMPONENT.test(component)) {
      fail(
        part,
        'a path component is letters and digits, with ".", "_", "__" or dashes only between them',
        at,
      )
    }
    at += component.length + 1
  }
}

/**
 * Checks a tag: at most 128 letters, digits, `_`, `.` and `-`. The first character is neither `.` nor `-`.
 */
export function checkTag(part: Part): void {
  if (part.text === '') fail(part, 'the tag is empty')
  if (part.text.length > MAX_TAG) {
    fail(part, `the tag has ${part.text.length} characters, ${MAX_TAG} are allowed`)
  }
  if (!TAG.test(part.text)) {
    fail(part, 'a tag is letters, digits, "_", "." and "-", and starts with none of the last two')
  }
}

/** Checks `algorithm:hex`: lower-case digits, as many as the algorithm has. */
export function checkDigest(part: Part): void {
  const colon = part.text.indexOf(':')
  const algorithm = colon < 0 ? part.text : part.text.slice(0, colon)
  const length = Object.hasOwn(DIGEST_HEX, algorithm) ? DIGEST_HEX[algorithm] : undefined
  if (colon < 0 || length === undefined) fail(part, 'a digest starts with sha256:, sha384: or sha512:')
  const hex = part.text.slice(colon + 1)
  if (hex.length !== length || !/^[a-f0-9]*$/.test(hex)) {
    fail(part, `a ${algorithm} digest has ${length} lower-case hexadecimal digits`, colon + 1)
  }
}

function fail(part: Part, problem: string, offset = 0): never {
  throw new InvalidReferenceError(part.whole, problem, part.start + offset)
}
