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

/** All flags, by group of the help. Throws `UsageError` where the environment has a bad default. */
export function operatorFlags(env: Environment) {
  return {
    releases: {
      watchNamespace: withVariable(
        text(
          [
            'watch-namespace',
            'Namespaces, separated by commas, whose KubeFledged objects are carried out; empty: all.',
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
          'How often each release is compared with the cluster, beside every change of its object or its Deployments.',
        ],
        '1m',
        { zero: false },
      ),
      chart: text(['chart', 'Path of the chart that is installed.'], '/opt/charts/kube-fledged', 'path'),
      helm: text(['helm', 'The helm to use: a path, or a name on the PATH.'], 'helm', 'path'),
    },
    process: {
      ...clusterFlags(),
      namespace: withVariable(
        namespace(['namespace', "The operator's own namespace."], 'kube-fledged'),
        'OPERATOR_NAMESPACE',
        env,
      ),
      leaderElect: boolean(
        ['leader-elect', 'Whether a replica works only while it holds the lease of the namespace.'],
        true,
      ),
      metricsBindAddress: address(
        ['metrics-bind-address', 'Where /healthz, /readyz and /metrics are served.'],
        ':8081',
      ),
    },
    logs: logFlags(),
  } satisfies Record<string, Record<string, Flag<unknown>>>
}
