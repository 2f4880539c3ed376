import type { BindAddress, Environment } from '../../process/flags/flag-types.ts'
import { type LogLevel, logOptions } from '../../process/flags/log-flags.ts'
import { parseFlags } from '../../process/flags/parse-flags.ts'
import { UsageError } from '../../base/usage-error.ts'
import { operatorFlags } from './flags.ts'

/** What the operator was told on its command line. Frozen. */
export interface OperatorOptions {
  /** Empty: all. */
  readonly namespaces: readonly string[]
  readonly reconcilePeriodMs: number
  /** Path. */
  readonly chart: string
  /** Path, or name on the PATH. */
  readonly helm: string
  /** Path; empty: the service account of the pod. */
  readonly kubeconfig: string
  /** URL of the API server; empty: as the kubeconfig says. */
  readonly master: string
  /** The operator's own. */
  readonly namespace: string
  readonly leaderElect: boolean
  readonly metricsBindAddress: BindAddress
  readonly logLevel: LogLevel
  /** Sentences to log at the start. */
  readonly warnings: readonly string[]
}

const PROGRAM = {
  name: 'kubefledged-operator',
  description: 'Installs kube-fledged as KubeFledged objects say, by its Helm chart, and keeps it so.',
}

/**
 * Reads the arguments that follow the program's name. `{ help }` where help was asked for: the text to print. Throws
 * `UsageError`.
 */
export function parseOperatorOptions(
  argv: readonly string[],
  env: Environment,
): OperatorOptions | { readonly help: string } {
  const parsed = parseFlags(PROGRAM, operatorFlags(env), argv)
  if ('help' in parsed) return parsed
  const { releases, process, logs } = parsed.values
  const { watchNamespace, ...others } = releases
  const namespaces = namespacesOf(watchNamespace)
  return Object.freeze({ ...others, namespaces, ...process, ...logOptions(logs, parsed.given) })
}

function namespacesOf(list: string): readonly string[] {
  const names = [...new Set(list.split(/[,\s]+/).filter(Boolean))]
  const wrong = names.find(name => !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name))
  if (wrong === undefined) return names
  throw new UsageError(
    'InvalidValue',
    `--watch-namespace: ${JSON.stringify(wrong.slice(0, 80))} is no name of a namespace`,
  )
}
