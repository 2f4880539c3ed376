import type { BindAddress, Environment } from '../../process/flags/flag-types.ts'
import { type LogLevel, logOptions } from '../../process/flags/log-flags.ts'
import { parseFlags } from '../../process/flags/parse-flags.ts'
import { UsageError } from '../../base/usage-error.ts'
import { operatorFlags } from './flags.ts'

/** The operator's options, from its command line and environment. Frozen. */
export interface OperatorOptions {
  /** The watched namespaces. Empty: all. */
  readonly namespaces: readonly string[]
  /** Time between two comparisons of a release with the cluster, in milliseconds. */
  readonly reconcilePeriodMs: number
  /** Path of the chart. */
  readonly chart: string
  /** Path of the helm program, or its name on the PATH. */
  readonly helm: string
  /** Path of a kubeconfig file. Empty: the service account of the Pod. */
  readonly kubeconfig: string
  /** URL of the API server. Empty: the kubeconfig's. */
  readonly master: string
  /** The operator's own namespace. */
  readonly namespace: string
  readonly leaderElect: boolean
  readonly metricsBindAddress: BindAddress
  readonly logLevel: LogLevel
  /** Warnings to log at the start, as sentences. */
  readonly warnings: readonly string[]
}

const PROGRAM = {
  name: 'kubefledged-operator',
  description: 'Installs kube-fledged with its Helm chart, as KubeFledged objects say, and repairs it.',
}

/**
 * Parses the arguments after the program's name.
 * Returns `{ help }`, the text to print, where help was asked for.
 * Throws `UsageError`.
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
    `--watch-namespace: ${JSON.stringify(wrong.slice(0, 80))} is not a valid name of a namespace`,
  )
}
