import { pino } from 'pino'
import { clusterFlags } from './flags/cluster-flags.ts'
import { type Flag, duration } from './flags/flag-types.ts'
import { logFlags, logOptions } from './flags/log-flags.ts'
import { parseFlags } from './flags/parse-flags.ts'
import { KubeClient, type Logger, loadConfig } from '../kube/index.ts'
import { VERSION } from '../base/version.ts'
import { stopOnSignals } from './stop-on-signals.ts'

/** A program that does one task in a cluster and ends. */
interface OneShot {
  /** Name of the process in its help, its log and its `User-Agent`. */
  readonly name: string
  readonly description: string
  /** Log message of a failure. */
  readonly failure: string
  /** Does the task. Throws when it fails or the signal fires. */
  readonly work: (client: KubeClient, context: OneShotContext) => Promise<void>
}

/** Parameters of the task. */
export interface OneShotContext {
  /** Fires when the process is stopped or its time is over. */
  readonly signal: AbortSignal
  readonly log: Logger
}

function oneShotFlags() {
  return {
    process: {
      timeoutMs: duration(['timeout', 'How long it may take.'], '1m', { zero: false }),
      ...clusterFlags(),
    },
    logs: logFlags(),
  } satisfies Record<string, Record<string, Flag<unknown>>>
}

/** Runs the program. Resolves to the exit code. Throws `UsageError`. */
export async function runOneShot(
  { name, description, failure, work }: OneShot,
  argv: readonly string[],
): Promise<number> {
  const parsed = parseFlags({ name, description }, oneShotFlags(), argv)
  if ('help' in parsed) {
    process.stdout.write(parsed.help)
    return 0
  }
  const { timeoutMs, kubeconfig, master } = parsed.values.process
  const { logLevel, warnings } = logOptions(parsed.values.logs, parsed.given)
  const log = pino({ level: logLevel, base: { component: name } })
  for (const warning of warnings) log.warn(warning)
  const stop = new AbortController()
  stopOnSignals(stop, log)
  const client = new KubeClient(loadConfig({ kubeconfig, master }), { userAgent: `${name}/${VERSION}` })
  try {
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(timeoutMs)])
    await work(client, { signal, log })
    return 0
  } catch (error) {
    log.fatal({ err: error }, failure)
    return 1
  } finally {
    client.close()
  }
}
