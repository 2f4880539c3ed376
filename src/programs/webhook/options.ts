import type { Environment } from '../../process/flags/flag-types.ts'
import { type LogLevel, logOptions } from '../../process/flags/log-flags.ts'
import { parseFlags } from '../../process/flags/parse-flags.ts'
import { webhookFlags } from './flags.ts'

/** What the webhook server was told on its command line. Frozen. */
export interface WebhookOptions {
  /** 0: any free one. */
  readonly port: number
  /** Path; empty: none. */
  readonly certFile: string
  /** Path; empty: none. */
  readonly keyFile: string
  /** Run as the old init container. */
  readonly initServer: boolean
  readonly service: string
  readonly namespace: string
  /** Name of the ValidatingWebhookConfiguration. */
  readonly configuration: string
  /** Path; empty: the service account of the pod. */
  readonly kubeconfig: string
  /** URL of the API server; empty: as the kubeconfig says. */
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
 * Reads the arguments that follow the program's name. `{ help }` where help was asked for: the text to print. Throws
 * `UsageError`.
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
