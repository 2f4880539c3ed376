import { pino } from 'pino'
import { imageCacheCrd, nodeImagesCrd } from '../api/crd.ts'
import { duration, type Flag } from '../flags/flag-types.ts'
import { clusterFlags } from '../flags/cluster-flags.ts'
import { logFlags, logOptions } from '../flags/log-flags.ts'
import { parseFlags } from '../flags/parse-flags.ts'
import { KubeClient, loadConfig } from '../kube/index.ts'
import { stopOnSignals } from '../process/stop-on-signals.ts'
import { VERSION } from '../version.ts'
import { applyDefinitions } from './apply.ts'

const PROGRAM = {
  name: 'kubefledged-crds',
  description:
    'Creates the CustomResourceDefinitions of this release or brings them up to date; deletes none.',
}

function crdsFlags() {
  return {
    process: {
      timeoutMs: duration(['timeout', 'How long it may take until all of them are served.'], '1m', {
        zero: false,
      }),
      ...clusterFlags(),
    },
    logs: logFlags(),
  } satisfies Record<string, Record<string, Flag<unknown>>>
}

/** Writes the definitions that are built into the program. Resolves to the exit code; throws `UsageError`. */
export async function runCrds(argv: readonly string[]): Promise<number> {
  const parsed = parseFlags(PROGRAM, crdsFlags(), argv)
  if ('help' in parsed) {
    process.stdout.write(parsed.help)
    return 0
  }
  const { timeoutMs, kubeconfig, master } = parsed.values.process
  const { logLevel, warnings } = logOptions(parsed.values.logs, parsed.given)
  const log = pino({ level: logLevel, base: { component: PROGRAM.name } })
  for (const warning of warnings) log.warn(warning)
  const stop = new AbortController()
  stopOnSignals(stop, log)
  const client = new KubeClient(loadConfig({ kubeconfig, master }), {
    userAgent: `${PROGRAM.name}/${VERSION}`,
  })
  try {
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(timeoutMs)])
    await applyDefinitions(client, [imageCacheCrd, nodeImagesCrd], { signal, log })
    return 0
  } catch (error) {
    log.fatal({ err: error }, 'the definitions could not be written')
    return 1
  } finally {
    client.close()
  }
}
