import type { PullPolicy } from '../../api/node-images.ts'
import type { BindAddress, Environment } from '../../process/flags/flag-types.ts'
import { type LogLevel, logOptions } from '../../process/flags/log-flags.ts'
import { parseFlags } from '../../process/flags/parse-flags.ts'
import type { GuardedField } from '../../core/demand/index.ts'
import { controllerFlags } from './flags.ts'

/** What the controller was told on its command line. Frozen. */
export interface ControllerOptions {
  /** Longest time for one image on one node, in milliseconds. */
  readonly imagePullDeadlineMs: number
  /** In milliseconds; 0: never. */
  readonly imageCacheRefreshFrequencyMs: number
  /** `host[:port]` of each. */
  readonly insecureRegistries: readonly string[]
  /** Whether the controller reads pull secrets, where it has the right to. */
  readonly readPullSecrets: boolean
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
  /** Fields of `spec.jobTemplate` that authors of caches may set. */
  readonly jobTemplateAllow: readonly GuardedField[]
  /** Reference of the image with the static binary for pull pods. */
  readonly busyboxImage: string
  /** Whether Jobs that delete images use the node's network. */
  readonly imageDeleteJobHostNetwork: boolean
  /** Absolute path on all nodes; empty: by what each node says that it runs. */
  readonly criSocketPath: string
  /** Reference of the image that asks a node's runtime to delete images. */
  readonly criClientImage: string
  /** Longest time that a deletion waits for a purge, in milliseconds. */
  readonly purgeDeadlineMs: number
  /** Path; empty: the service account of the pod. */
  readonly kubeconfig: string
  /** URL of the API server; empty: as the kubeconfig says. */
  readonly master: string
  /** Requests per second. */
  readonly kubeApiQps: number
  readonly kubeApiBurst: number
  /** The controller's own. */
  readonly namespace: string
  /** Name of the controller's own Pod; empty: unknown, or not in a Pod. */
  readonly podName: string
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
  const parsed = parseFlags(PROGRAM, controllerFlags(env), argv)
  if ('help' in parsed) return parsed
  const { pulling, jobs, process, logs } = parsed.values
  return Object.freeze({ ...pulling, ...jobs, ...process, ...logOptions(logs, parsed.given) })
}

const PROGRAM = {
  name: 'kubefledged-controller',
  description: 'Keeps container images warm on the nodes of a Kubernetes cluster.',
}
