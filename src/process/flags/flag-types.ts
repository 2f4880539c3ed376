import { formatDuration, InvalidDurationError, parseDuration } from '../../base/duration.ts'
import { InvalidReferenceError, parseReference } from '../../oci/reference.ts'
import { UsageError } from '../../base/usage-error.ts'
import { parseGoBoolean } from './go-flags.ts'

/** Types of flags: how a value is parsed, and how the help shows it. */

/** One flag of a command. */
export interface Flag<T> {
  /** Name without dashes. */
  readonly name: string
  /** Placeholder for the value in the help. */
  readonly placeholder: string
  readonly doc: string
  readonly value: T
  /** The default in the form of the command line. */
  readonly shown: string
  /**
   * Parses a value. Throws `UsageError` with a sentence that names the flag, the value and the accepted
   * values.
   */
  readonly parse: (text: string) => T
}

const OR = new Intl.ListFormat('en', { type: 'disjunction' })

/** Name and documentation of a flag. */
export type Named = readonly [name: string, doc: string]

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Host and port on which a server listens. */
export interface BindAddress {
  /** Absent: all addresses of the machine. */
  readonly host?: string
  /** 0: any free port. */
  readonly port: number
}

/** Any text. */
export function text([name, doc]: Named, value: string, placeholder = 'name'): Flag<string> {
  return { name, doc, placeholder, value, shown: JSON.stringify(value), parse: given => given }
}

/** `true` or `false` in Go's spellings. */
export function boolean([name, doc]: Named, value: boolean): Flag<boolean> {
  const parse = (given: string): boolean => {
    const parsed = parseGoBoolean(given)
    if (parsed === undefined) throw invalid(name, given, 'it takes true or false')
    return parsed
  }
  return { name, doc, placeholder: 'bool', value, shown: String(value), parse }
}

/** A Go duration, as milliseconds. */
export function duration(
  [name, doc]: Named,
  value: string,
  { zero }: { readonly zero: boolean },
): Flag<number> {
  const least = zero ? 'it takes a duration of 0s or more' : 'it takes a duration of more than 0s'
  const parse = (given: string): number => {
    const ms = tryDuration(name, given)
    if (ms < 0 || (ms === 0 && !zero)) throw invalid(name, given, least)
    return ms
  }
  const ms = parse(value)
  return { name, doc, placeholder: 'duration', value: ms, shown: formatDuration(ms), parse }
}

function tryDuration(name: string, given: string): number {
  try {
    return parseDuration(given)
  } catch (error) {
    if (!(error instanceof InvalidDurationError)) throw error
    throw new UsageError('InvalidValue', `--${name}: ${error.message}`, { cause: error })
  }
}

/** A whole number in a range. */
export function integer(
  [name, doc]: Named,
  value: number,
  { min, max = 1_000_000 }: { readonly min: number; readonly max?: number },
): Flag<number> {
  const parse = (given: string): number => {
    const number = /^[+-]?\d{1,15}$/.test(given) ? Number(given) : Number.NaN
    if (!(number >= min && number <= max)) {
      throw invalid(name, given, `it takes a whole number from ${min} to ${max}`)
    }
    return number
  }
  return { name, doc, placeholder: 'number', value, shown: String(value), parse }
}

/** One of several words. With `loose`, letter case and surrounding spaces are ignored. */
export function choice<const T extends string>(
  [name, doc]: Named,
  value: NoInfer<T>,
  accepted: readonly T[],
  { loose = false }: { readonly loose?: boolean } = {},
): Flag<T> {
  const parse = (given: string): T => {
    const found = accepted.find(word =>
      loose ? word.toLowerCase() === given.trim().toLowerCase() : word === given,
    )
    if (found === undefined) throw invalid(name, given, `it takes ${OR.format(accepted)}`)
    return found
  }
  return { name, doc, placeholder: accepted.join('|'), value, shown: value, parse }
}

/** Several of the accepted words, separated by commas. Default: none. */
export function choices<const T extends string>(
  [name, doc]: Named,
  accepted: readonly T[],
): Flag<readonly T[]> {
  const parse = (given: string): readonly T[] =>
    given
      .split(',')
      .map(word => word.trim())
      .filter(Boolean)
      .map(word => {
        const found = accepted.find(candidate => candidate === word)
        if (found === undefined) throw invalid(name, word, `it takes any of ${OR.format(accepted)}`)
        return found
      })
  return { name, doc, placeholder: 'fields', value: [], shown: '""', parse }
}

/** An image reference. */
export function image([name, doc]: Named, value: string): Flag<string> {
  const parse = (given: string): string => {
    try {
      return parseReference(given).text
    } catch (error) {
      if (!(error instanceof InvalidReferenceError)) throw error
      throw new UsageError('InvalidValue', `--${name}: ${error.message}`, { cause: error })
    }
  }
  return { name, doc, placeholder: 'image', value: parse(value), shown: value, parse }
}

/** Name of a namespace (RFC 1123 label). */
export function namespace([name, doc]: Named, value: string): Flag<string> {
  const parse = (given: string): string => {
    if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(given)) {
      throw invalid(name, given, 'it takes 1 to 63 lower-case letters, digits and inner dashes')
    }
    return given
  }
  return { name, doc, placeholder: 'name', value: parse(value), shown: value, parse }
}

/** `host:port`, `[v6]:port` or `:port`. */
export function address([name, doc]: Named, value: string): Flag<BindAddress> {
  const parse = (given: string): BindAddress => {
    const [, v6, plain, port = ''] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(given) ?? []
    if (port === '' || Number(port) > 65_535) {
      throw invalid(name, given, 'it takes host:port, [IPv6 address]:port or :port')
    }
    const host = v6 || plain
    return host ? { host, port: Number(port) } : { port: Number(port) }
  }
  return { name, doc, placeholder: 'address', value: parse(value), shown: value, parse }
}

/**
 * The flag with its default from an environment variable, if that is set and not empty. Throws `UsageError`.
 */
export function withVariable<T>(flag: Flag<T>, variable: string, env: Environment): Flag<T> {
  const documented = { ...flag, doc: `${flag.doc} The environment variable ${variable} changes its default.` }
  const given = env[variable]
  if (!given) return documented
  try {
    return { ...documented, value: flag.parse(given), shown: given }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    const message = `environment variable ${variable}, read as ${error.message}`
    throw new UsageError(error.code, message, { cause: error })
  }
}

/** The error for an invalid value. `accepted` describes the valid values. */
export function invalid(name: string, given: string, accepted: string): UsageError {
  return new UsageError(
    'InvalidValue',
    `--${name}: ${JSON.stringify(given.slice(0, 80))} is not accepted; ${accepted}`,
  )
}
