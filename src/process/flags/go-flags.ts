import { UsageError } from '../../base/usage-error.ts'

/**
 * Flags in the syntax of Go's flag package: one dash or two, `--flag value` and `--flag=value`, booleans
 * without a value.
 */

/** The flags of a command by kind. Names are without dashes. */
export interface KnownFlags {
  readonly booleans: ReadonlySet<string>
  readonly values: ReadonlySet<string>
}

const TRUE = ['1', 't', 'T', 'true', 'TRUE', 'True']
const FALSE = ['0', 'f', 'F', 'false', 'FALSE', 'False']

/**
 * Converts a command line to two dashes and `=`: `-v 4 --x` becomes `--v=4 --x=true`. Unknown flags are kept
 * without their values, so that the parser rejects them. Throws `UsageError` when a value is missing.
 */
export function normalizeGoFlags(argv: readonly string[], known: KnownFlags): string[] {
  const result: string[] = []
  const rest = argv.values()
  for (const arg of rest) {
    const [, name = '', assigned] = /^--?([^-=][^=]*)(=.*)?$/s.exec(arg) ?? []
    if (known.booleans.has(name)) {
      result.push(`--${name}${assigned ?? '=true'}`)
    } else if (known.values.has(name)) {
      const next = assigned === undefined ? rest.next() : undefined
      if (next?.done) throw new UsageError('MissingValue', `--${name} needs a value`)
      result.push(`--${name}${assigned ?? `=${next?.value}`}`)
    } else {
      result.push(name === '' ? arg : `--${name === 'h' ? 'help' : name}`)
    }
  }
  return result
}

/** Parses a boolean like Go's strconv.ParseBool. Undefined for any other text. */
export function parseGoBoolean(text: string): boolean | undefined {
  if (TRUE.includes(text)) return true
  return FALSE.includes(text) ? false : undefined
}
