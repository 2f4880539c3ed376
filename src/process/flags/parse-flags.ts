import { Command, CommanderError, Option } from 'commander'
import { UsageError } from '../../base/usage-error.ts'
import type { Flag } from './flag-types.ts'
import { normalizeGoFlags } from './go-flags.ts'

/**
 * Command lines: the flags of a command are parsed in Go's syntax, checked by type, and documented in
 * `--help`.
 */

/** Flags of a command: by group of the help, then by the key of the value. */
export type FlagGroups = Readonly<Record<string, Readonly<Record<string, Flag<unknown>>>>>

/** Parsed values, in the same groups. */
export type FlagValues<G extends FlagGroups> = {
  readonly [K in keyof G]: { readonly [N in keyof G[K]]: G[K][N] extends Flag<infer T> ? T : never }
}

/** A parsed command line. */
export interface ParsedFlags<G extends FlagGroups> {
  readonly values: FlagValues<G>
  /** Names of the flags on the command line. */
  readonly given: ReadonlySet<string>
}

/**
 * Parses the arguments after the program's name. `{ help }` is the text to print when help was requested.
 * Throws `UsageError`.
 */
export function parseFlags<G extends FlagGroups>(
  { name, description }: { readonly name: string; readonly description: string },
  groups: G,
  argv: readonly string[],
): ParsedFlags<G> | { readonly help: string } {
  const read = new Map<string, unknown>()
  const program = commandOf(name, description, groups, read)
  const flags = Object.values(groups).flatMap<Flag<unknown>>(Object.values)
  const known = {
    booleans: new Set(flags.filter(flag => typeof flag.value === 'boolean').map(flag => flag.name)),
    values: new Set(flags.filter(flag => typeof flag.value !== 'boolean').map(flag => flag.name)),
  }
  try {
    program.parse(normalizeGoFlags(argv, known), { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.code === 'commander.helpDisplayed') return { help: program.helpInformation() }
    throw usageError(error, program.args)
  }
  const values = Object.entries(groups).map(([title, group]) => {
    const entries = Object.entries(group).map(([key, flag]) => [
      key,
      read.has(flag.name) ? read.get(flag.name) : flag.value,
    ])
    return [title, Object.fromEntries(entries)]
  })
  return { values: Object.fromEntries(values) as FlagValues<G>, given: new Set(read.keys()) }
}

/** A command that stores the parsed values in `read`, by flag name. */
function commandOf(
  name: string,
  description: string,
  groups: FlagGroups,
  read: Map<string, unknown>,
): Command {
  const program = new Command(name)
    .description(description)
    .usage('[flags]')
    .helpOption('-h, --help', 'Print this help.')
    .configureHelp({ helpWidth: 110 })
    .configureOutput({ writeOut: () => {}, writeErr: () => {} })
    .exitOverride()
  for (const [title, group] of Object.entries(groups)) {
    for (const flag of Object.values(group)) {
      const option = new Option(`--${flag.name} <${flag.placeholder}>`, flag.doc)
        .default(flag.value, flag.shown)
        .argParser(text => read.set(flag.name, flag.parse(text)))
        .helpGroup(`${title.charAt(0).toUpperCase()}${title.slice(1)}:`)
      program.addOption(option)
    }
  }
  return program
}

function usageError(error: CommanderError, args: readonly string[]): UsageError {
  if (error.code === 'commander.unknownOption') {
    const [what = '', meant = ''] = error.message
      .replace(/^error: unknown option/, 'unknown flag')
      .split('\n')
    const question = meant.replace(/^\(Did you mean (.*)\)$/, ' did you mean $1')
    const message = `${what}:${question} --help shows all flags`
    return new UsageError('UnknownFlag', message, { cause: error })
  }
  const shown = JSON.stringify((args[0] ?? '').slice(0, 80))
  return new UsageError(
    'UnexpectedArgument',
    `unexpected argument ${shown}; flags are written as --flag=value`,
    { cause: error },
  )
}
