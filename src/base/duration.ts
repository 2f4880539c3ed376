/** Durations in Go's format (`90s`, `5m`, `1h30m`), as milliseconds. Source: Go's `time.ParseDuration`. */

/** Nanoseconds of each unit. The sign µ has two code points. */
const UNITS: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1_000n],
  ['µs', 1_000n],
  ['μs', 1_000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
])
const NS_PER_MS = 1_000_000n
/** Go stores a duration as nanoseconds in 64 bits: about 292 years. */
const MAX_NS = 2n ** 63n - 1n
/** Longest text that is parsed. The CRD has the same limit. */
const MAX_TEXT = 64
/** One number, its fraction and its unit. Each may be missing. */
const PART = /^(\d*)(?:\.(\d*))?([^\d.]*)/

/** The text is not a duration. The message says what is wrong and which form is accepted. */
export class InvalidDurationError extends Error {
  override readonly name = 'InvalidDurationError'
  readonly code = 'InvalidDuration'

  constructor(text: string, problem: string) {
    const shown = JSON.stringify(text.slice(0, MAX_TEXT))
    super(`${shown} is not a duration: ${problem}; write for example 90s, 5m or 1h30m`)
  }
}

/**
 * Converts a Go duration to milliseconds, with a fraction for smaller units. Throws `InvalidDurationError`.
 */
export function parseDuration(text: string): number {
  const fail = (problem: string) => new InvalidDurationError(text, problem)
  if (text.length > MAX_TEXT) throw fail(`it has more than ${MAX_TEXT} characters`)
  const negative = text.startsWith('-')
  const digits = /^[-+]/.test(text) ? text.slice(1) : text
  if (digits === '0') return 0
  if (digits === '') throw fail('it has no number')

  let total = 0n
  let rest = digits
  while (rest !== '') {
    const [part = '', whole = '', fraction = '', unit = ''] = PART.exec(rest) ?? []
    if (whole === '' && fraction === '') throw fail(`a number is missing before ${JSON.stringify(rest)}`)
    const number = whole + (fraction && `.${fraction}`)
    if (unit === '') throw fail(`a unit is missing after ${number}`)
    const size = UNITS.get(unit)
    if (size === undefined) {
      throw fail(`the unit ${JSON.stringify(unit)} is none of ns, us, µs, ms, s, m, h`)
    }
    total += BigInt(whole) * size + (BigInt(fraction) * size) / 10n ** BigInt(fraction.length)
    if (total > MAX_NS) throw fail('it is longer than 292 years')
    rest = rest.slice(part.length)
  }
  const ms = Number(total / NS_PER_MS) + Number(total % NS_PER_MS) / Number(NS_PER_MS)
  return negative && ms !== 0 ? -ms : ms
}

/** The shortest usual form of a number of milliseconds: `1h30m`, `1m30.5s`, `250ms`, `0s`. */
export function formatDuration(ms: number): string {
  const sign = ms < 0 ? '-' : ''
  const size = Math.abs(ms)
  if (size > 0 && size < 1000) return `${sign}${decimal(size)}ms`
  const hours = Math.floor(size / 3_600_000)
  const minutes = Math.floor(size / 60_000) % 60
  const seconds = size % 60_000
  const text =
    (hours > 0 ? `${hours}h` : '') +
    (minutes > 0 ? `${minutes}m` : '') +
    (seconds > 0 ? `${decimal(seconds / 1000)}s` : '')
  return text === '' ? '0s' : sign + text
}

/** Formats with at most 6 decimals, without exponent and trailing zeros. */
function decimal(value: number): string {
  return value.toFixed(6).replace(/\.?0+$/, '')
}
