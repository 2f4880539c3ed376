import {
  address,
  boolean,
  duration,
  type Environment,
  type Flag,
  namespace,
  text,
  withVariable,
} from '../../process/flags/flag-types.ts'
import { clusterFlags } from '../../process/flags/cluster-flags.ts'
import { logFlags } from '../../process/flags/log-flags.ts'

/** All flags, by group of the help. Throws `UsageError` if an environment variable is invalid. */
export function operatorFlags(env: Environment) {
  return {
    releases: {
      watchNamespace: withVariable(
        text(
          [
            'watch-namespace',
            'Comma-separated namespaces in which the operator handles KubeFledged objects; empty: all.',
          ],
          '',
          'names',
        ),
        'WATCH_NAMESPACE',
        env,
      ),
      reconcilePeriodMs: duration(
        [
          'reconcile-period',
          'How often each release is compared with the cluster. A change of its object or its Deployments starts a comparison at once.',
        ],
        '1m',
        { zero: false },
      ),
      chart: text(['chart', 'Path of the chart to install.'], '/opt/charts/kube-fledged', 'path'),
      helm: text(['helm', 'The helm program: a path, or a name on the PATH.'], 'helm', 'path'),
    },
    process: {
      ...clusterFlags(),
      namespace: withVariable(
        namespace(['namespace', "The operator's own namespace."], 'kube-fledged'),
        'OPERATOR_NAMESPACE',
        env,
      ),
      leaderElect: boolean(
        ['leader-elect', 'Whether a replica works only while it holds the Lease in its namespace.'],
        true,
      ),
      metricsBindAddress: address(
        ['metrics-bind-address', 'Address that serves /healthz, /readyz and /metrics.'],
        ':8081',
      ),
    },
    logs: logFlags(),
  } satisfies Record<string, Record<string, Flag<unknown>>>
}
