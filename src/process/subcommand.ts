import { basename } from 'node:path'
import { UsageError } from '../base/usage-error.ts'

/** Chooses the subcommand of a process: by the name of its executable, else by its first argument. */

/** All subcommands, each with a line for the help. */
export const SUBCOMMANDS = {
  controller: 'Plans, pulls and reports: the operator itself.',
  'webhook-server': 'Answers the API server whether an ImageCache may be written.',
  'cri-client': "Removes images from a node through its container runtime's socket.",
  operator: 'Installs and upgrades kube-fledged as KubeFledged objects say.',
  crds: 'Writes the CustomResourceDefinitions of this release.',
  'release-caches': 'Lets image caches be deleted that nobody is left to purge.',
} as const

/** Name of a subcommand. */
export type Subcommand = keyof typeof SUBCOMMANDS

/** The request of a command line. */
export type Choice =
  | { readonly kind: 'run'; readonly subcommand: Subcommand; readonly argv: readonly string[] }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }

/** Prefix of the installed executables, one per subcommand. */
const PREFIX = 'kubefledged-'
const HELP = ['help', '--help', '-help', '-h']
const VERSION = ['version', '--version', '-version']

/** Chooses by `process.argv`. Throws `UsageError`. */
export function chooseSubcommand([, program = '', ...argv]: readonly string[]): Choice {
  const name = basename(program).replace(/\.m?js$/, '')
  const byName = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : ''
  const [first, ...rest] = argv
  if (first !== undefined && VERSION.includes(first)) return { kind: 'version' }
  if (isSubcommand(byName)) return { kind: 'run', subcommand: byName, argv }
  if (first === undefined) {
    throw new UsageError('UnknownCommand', `a subcommand is missing; ${known()}`)
  }
  if (HELP.includes(first)) return { kind: 'help' }
  if (isSubcommand(first)) {
    return rest[0] !== undefined && VERSION.includes(rest[0])
      ? { kind: 'version' }
      : { kind: 'run', subcommand: first, argv: rest }
  }
  throw new UsageError(
    'UnknownCommand',
    `unknown subcommand ${JSON.stringify(first.slice(0, 80))}; ${known()}`,
  )
}

/** The text of `--help`. */
export function helpText(): string {
  const lines = Object.entries(SUBCOMMANDS).map(([name, line]) => `  ${name.padEnd(16)}${line}`)
  return `Usage: kube-fledged <subcommand> [flags]

Keeps container images warm on the nodes of a Kubernetes cluster.

Subcommands:
${lines.join('\n')}

<subcommand> --help shows its flags, --version the version. A process started as
${PREFIX}<subcommand> needs no subcommand.
`
}

function isSubcommand(name: string): name is Subcommand {
  return Object.hasOwn(SUBCOMMANDS, name)
}

function known(): string {
  return `known: ${Object.keys(SUBCOMMANDS).join(', ')} (see --help)`
}
