import type { Flag } from '../src/process/flags/flag-types.ts'
import type { FlagGroups } from '../src/process/flags/parse-flags.ts'

/** Tables of flags for docs/flags.md, generated from the flags themselves. */

/**
 * The content of docs/flags.md.
 *
 * @param programs the flags of each program, by name of the program
 */
export function flagsDocument(programs: Readonly<Record<string, FlagGroups>>): string {
  const sections = Object.entries(programs).map(
    ([program, groups]) =>
      `## ${program}\n\n| flag | default | meaning |\n| --- | --- | --- |\n${Object.values(groups)
        .flatMap(group => Object.values(group).map(row))
        .join('\n')}\n`,
  )
  return `<!-- Generated from src by \`node hack/chart-docs.ts\`. Do not edit. -->
# Flags

\`--help\` of each program shows the same.
One dash works in place of two.
An unknown flag or an invalid value ends the program with a message that names it.

${sections.join('\n')}`
}

function row({ name, placeholder, doc, shown }: Flag<unknown>): string {
  const text = shown.replace(/^"(.*)"$/, '$1')
  const cells = [`\`--${name}\` ${placeholder}`, text && `\`${text}\``, doc]
  return `| ${cells.map(cell => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`
}
