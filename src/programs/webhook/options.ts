import type { Environment } from '../../process/flags/flag-types.ts'
import { type LogLevel, logOptions } from '../../process/flags/log-flags.ts'
import { parseFlags } from '../../process/flags/parse-flags.ts'
import { webhookFlags } from './flags.ts'

/** The parsed command line of the webhook server. Frozen. */
export interface WebhookOptions {
  /** 0: any free port. */
  readonly port: number
  /** Path; empty: none. */
  readonly certFile: string
  /** Path; empty: none. */
  readonly keyFile: string
  /** Run in place of the init container of kube-fledged. */
  readonly initServer: boolean
  readonly service: string
  readonly namespace: string
  /** Name of the ValidatingWebhookConfiguration. */
  readonly configuration: string
  /** Path. Empty: the service account of the Pod. */
  readonly kubeconfig: string
  /** URL of the API server. Empty: from the kubeconfig. */
  readonly master: string
  readonly logLevel: LogLevel
  /** Sentences to log at the start. */
  readonly warnings: readonly string[]
}

const PROGRAM = {
  name: 'kubefledged-webhook-server',
  description: 'Answers the API server whether an ImageCache may be written.',
}

/**
 * Parses the arguments after the program's name. `{ help }` is the text to print when help was requested.
 * Throws `UsageError`.
 */
export function parseWebhookOptions(
  argv: readonly string[],
  env: Environment,
): WebhookOptions | { readonly help: string } {
  const parsed = parseFlags(PROGRAM, webhookFlags(env), argv)
  if ('help' in parsed) return parsed
  const { serving, cluster, logs } = parsed.values
  return Object.freeze({ ...serving, ...cluster, ...logOptions(logs, parsed.given) })
}
