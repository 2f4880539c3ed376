import type { PullPolicy } from '../../api/node-images.ts'
import type { BindAddress, Environment } from '../../process/flags/flag-types.ts'
import { type LogLevel, logOptions } from '../../process/flags/log-flags.ts'
import { parseFlags } from '../../process/flags/parse-flags.ts'
import type { GuardedField } from '../../core/demand/index.ts'
import { controllerFlags } from './flags.ts'

/** The controller's options, from its command line and environment. Frozen. */
export interface ControllerOptions {
  /** Maximum time for the pull of one image on one node, in milliseconds. */
  readonly imagePullDeadlineMs: number
  /** Time between two refreshes of a cache, in milliseconds. 0: never. */
  readonly imageCacheRefreshFrequencyMs: number
  /** Registries that speak plain HTTP, as `host[:port]`. */
  readonly insecureRegistries: readonly string[]
  /** True where the controller reads pull secrets. It then needs the right to get them. */
  readonly readPullSecrets: boolean
  readonly imagePullPolicy: PullPolicy
  /** Age after which the presence of an unlisted image is proved again, in milliseconds. */
  readonly recheckIntervalMs: number
  readonly jobPullMethod: 'auto' | 'image-volumes' | 'containers'
  /** Maximum number of Jobs in flight. 0: automatic. */
  readonly jobsMaxSurge: number
  readonly jobRetentionPolicy: 'delete' | 'retain'
  /** Priority class of the Pods of Jobs. Empty: none. */
  readonly jobPriorityClassName: string
  /** Service account of the Pods of Jobs. Empty: the namespace's default. */
  readonly serviceAccountName: string
  /** Fields of `spec.jobTemplate` that authors of caches may set. */
  readonly jobTemplateAllow: readonly GuardedField[]
  /** Reference of the image with the static binary for pull Pods. */
  readonly busyboxImage: string
  /** True where Jobs that remove images use the node's network. */
  readonly imageDeleteJobHostNetwork: boolean
  /**
   * Absolute path of the runtime's socket on all nodes. Empty: chosen by the runtime that each node reports.
   */
  readonly criSocketPath: string
  /** Reference of the image that asks a node's runtime to remove images. */
  readonly criClientImage: string
  /** Maximum time that the deletion of a cache waits for its purge, in milliseconds. */
  readonly purgeDeadlineMs: number
  /** Path of a kubeconfig file. Empty: the service account of the Pod. */
  readonly kubeconfig: string
  /** URL of the API server. Empty: the kubeconfig's. */
  readonly master: string
  /** Maximum requests to the API server per second. */
  readonly kubeApiQps: number
  readonly kubeApiBurst: number
  /** The controller's own namespace. */
  readonly namespace: string
  /** Name of the controller's own Pod. Empty: unknown, or the controller does not run in a Pod. */
  readonly podName: string
  readonly leaderElect: boolean
  readonly metricsBindAddress: BindAddress
  readonly logLevel: LogLevel
  /** Warnings to log at the start, as sentences. */
  readonly warnings: readonly string[]
}

/**
 * Parses the arguments after the program's name.
 * Returns `{ help }`, the text to print, where help was asked for.
 * Throws `UsageError`.
 */
export function parseControllerOptions(
  argv: readonly string[],
  env: Environment,
): ControllerOptions | { readonly help: string } {
  const parsed = parseFlags(PROGRAM, controllerFlags(env), argv)
  if ('help' in parsed) return parsed
  const { pulling, jobs, process, logs } = parsed.values
  return Object.freeze({ ...pulling, ...jobs, ...process, ...logOptions(logs, parsed.given) })
}

const PROGRAM = {
  name: 'kubefledged-controller',
  description: 'Keeps container images warm on the nodes of a Kubernetes cluster.',
}
