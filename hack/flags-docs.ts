import type { Flag } from '../src/process/flags/flag-types.ts'
import type { FlagGroups } from '../src/process/flags/parse-flags.ts'

/** Tables of flags for people, made from the flags themselves. */

/**
 * docs/flags.md.
 *
 * @param programs what the programs are called, and their flags
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

As \`--help\` of each program shows them. One dash will do in place of two. A flag that is not known, or a value that cannot be, ends the
program with a sentence that names it.

${sections.join('\n')}`
}

function row({ name, placeholder, doc, shown }: Flag<unknown>): string {
  const text = shown.replace(/^"(.*)"$/, '$1')
  const cells = [`\`--${name}\` ${placeholder}`, text && `\`${text}\``, doc]
  return `| ${cells.map(cell => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`
}
