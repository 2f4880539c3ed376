import { type Flag, invalid, type Named } from './flag-types.ts'

/**
 * Flags with a text that becomes part of an object or an address. They are checked here, because an error
 * there would be noticed late or not at all.
 */

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const MAX_SUBDOMAIN = 253
/** A path segment: not `.` or `..`, and without separators of paths or mounts. */
const SEGMENT = /^(?!\.\.?$)[^/,:\s]+$/
const HOST = /^(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/i

/** The name of an object (RFC 1123 subdomain). May be empty. Default: empty. */
export function objectName(named: Named): Flag<string> {
  const accepted = 'it takes a name: lower-case letters, digits, inner dashes and dots, 253 at most'
  const isName = (given: string) => given.length <= MAX_SUBDOMAIN && SUBDOMAIN.test(given)
  return checked(named, 'name', accepted, given => (isName(given) ? given : undefined))
}

/**
 * The path of a socket on nodes. A leading `unix://` is removed. May be empty. Default: empty. The socket
 * must not be directly in `/`, because its directory is mounted.
 */
export function socketPath(named: Named): Flag<string> {
  const accepted =
    'it takes one absolute path of a socket that does not lie in /, such as /run/containerd/containerd.sock'
  return checked(named, 'path', accepted, given => {
    const path = given.replace(/^unix:\/\//, '')
    const [root, ...segments] = path.split('/')
    return root === '' && segments.length > 1 && segments.every(part => SEGMENT.test(part)) ? path : undefined
  })
}

/**
 * A text that may be empty. `read` returns the value of another text, or undefined when it is not `accepted`.
 */
function checked(
  [name, doc]: Named,
  placeholder: string,
  accepted: string,
  read: (given: string) => string | undefined,
): Flag<string> {
  const parse = (given: string): string => {
    const value = given === '' ? '' : read(given)
    if (value === undefined) throw invalid(name, given, accepted)
    return value
  }
  return { name, doc, placeholder, value: '', shown: '""', parse }
}

/** Hosts with optional ports, separated by commas. Default: none. */
export function hosts([name, doc]: Named): Flag<readonly string[]> {
  const parse = (given: string): readonly string[] => {
    const entries = given.split(/[,\s]+/).filter(Boolean)
    for (const entry of entries) {
      const [matched, port = '443'] = HOST.exec(entry) ?? []
      // the regular expression also matches invalid addresses: 1.2.3.400, [::::]
      if (!matched || Number(port) < 1 || !URL.canParse(`http://${entry}/`)) {
        throw invalid(
          name,
          entry,
          'it takes host or host:port, several separated by commas, without a scheme or a path',
        )
      }
    }
    return entries
  }
  return { name, doc, placeholder: 'hosts', value: [], shown: '""', parse }
}
