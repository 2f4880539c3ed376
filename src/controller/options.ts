import { Command, CommanderError, Option } from 'commander'
import { type PullPolicy } from '../api/node-images.ts'
import { UsageError } from '../usage-error.ts'
import { type BindAddress, type Environment, type Flag } from './flag-types.ts'
import { controllerFlags, IGNORED_FLAGS } from './flags.ts'
import { normalizeGoFlags } from './go-flags.ts'

/** Least level that is logged. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** What the controller was told on its command line. Frozen. */
export interface ControllerOptions {
  /** Longest time for one image on one node, in milliseconds. */
  readonly imagePullDeadlineMs: number
  /** In milliseconds; 0: never. Not used yet. */
  readonly imageCacheRefreshFrequencyMs: number
  readonly imagePullPolicy: PullPolicy
  /** Age at which an unlisted image is proved again, in milliseconds. */
  readonly recheckIntervalMs: number
  readonly jobPullMethod: 'auto' | 'image-volumes' | 'containers'
  /** Jobs in flight; 0: automatic. */
  readonly jobsMaxSurge: number
  readonly jobRetentionPolicy: 'delete' | 'retain'
  /** Empty: none. */
  readonly jobPriorityClassName: string
  /** Of the pods of Jobs. Empty: the namespace's default. */
  readonly serviceAccountName: string
  /** Reference of the image with the static binary for pull pods. */
  readonly busyboxImage: string
  /** Not used yet. */
  readonly imageDeleteJobHostNetwork: boolean
  /** Not used yet. */
  readonly criSocketPath: string
  /** Path; empty: the service account of the pod. */
  readonly kubeconfig: string
  /** URL of the API server; empty: as the kubeconfig says. */
  readonly master: string
  /** Requests per second. */
  readonly kubeApiQps: number
  readonly kubeApiBurst: number
  /** The controller's own. */
  readonly namespace: string
  readonly leaderElect: boolean
  readonly metricsBindAddress: BindAddress
  readonly logLevel: LogLevel
  /** Sentences to log at the start. */
  readonly warnings: readonly string[]
}

/**
 * Reads the arguments that follow the program's name. `{ help }` where help was asked for: the text to print. Throws
 * `UsageError`.
 */
export function parseControllerOptions(
  argv: readonly string[],
  env: Environment,
): ControllerOptions | { readonly help: string } {
  const groups = controllerFlags(env)
  const given = new Map<string, unknown>()
  const program = commandOf(groups, given)
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
  const { logLevel, stderrthreshold, v } = resolve(groups.logs, given)
  const byThreshold = v >= DEBUG_VERBOSITY ? 'debug' : LEVELS[stderrthreshold]
  return Object.freeze({
    ...resolve(groups.pulling, given),
    ...resolve(groups.jobs, given),
    ...resolve(groups.process, given),
    logLevel: given.has('log-level') ? logLevel : byThreshold,
    warnings: warningsOf(given),
  })
}

/** glog's levels in our words. */
const LEVELS = { INFO: 'info', WARNING: 'warn', ERROR: 'error', FATAL: 'error' } as const
/** kube-fledged logs its details at -v=4. */
const DEBUG_VERBOSITY = 4

type Group = Readonly<Record<string, Flag<unknown>>>
type Values<G extends Group> = { [K in keyof G]: G[K] extends Flag<infer T> ? T : never }

function resolve<G extends Group>(group: G, given: ReadonlyMap<string, unknown>): Values<G> {
  const entries = Object.entries(group).map(([key, flag]) => [
    key,
    given.has(flag.name) ? given.get(flag.name) : flag.value,
  ])
  return Object.fromEntries(entries) as Values<G>
}

/** The command that fills `given` with what was read, by flag name. */
function commandOf(groups: Readonly<Record<string, Group>>, given: Map<string, unknown>): Command {
  const program = new Command('kubefledged-controller')
    .description('Keeps container images warm on the nodes of a Kubernetes cluster.')
    .usage('[flags]')
    .helpOption('-h, --help', 'Print this help.')
    .configureHelp({ helpWidth: 110 })
    .configureOutput({ writeOut: () => {}, writeErr: () => {} })
    .exitOverride()
  for (const [title, group] of Object.entries(groups)) {
    for (const flag of Object.values(group)) {
      const option = new Option(`--${flag.name} <${flag.placeholder}>`, flag.doc)
        .default(flag.value, flag.shown)
        .argParser(text => given.set(flag.name, flag.parse(text)))
        .helpGroup(`${title.charAt(0).toUpperCase()}${title.slice(1)}:`)
      program.addOption(option)
    }
  }
  return program
}

function warningsOf(given: ReadonlyMap<string, unknown>): readonly string[] {
  const ignored = IGNORED_FLAGS.filter(name => given.has(name)).map(name => `--${name}`)
  return ignored.length === 0
    ? []
    : [`${ignored.join(', ')}: accepted and ignored; logs go to standard output as JSON`]
}

function usageError(error: CommanderError, args: readonly string[]): UsageError {
  if (error.code === 'commander.unknownOption') {
    const message = error.message
      .replace(/^error: unknown option/, 'unknown flag')
      .replace(/\n\(Did you mean (.*)\)$/s, '; did you mean $1')
    return new UsageError('UnknownFlag', message, { cause: error })
  }
  const shown = JSON.stringify((args[0] ?? '').slice(0, 80))
  return new UsageError(
    'UnexpectedArgument',
    `unexpected argument ${shown}; flags are written as --flag=value`,
    {
      cause: error,
    },
  )
}
