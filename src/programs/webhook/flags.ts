import {
  type Environment,
  boolean,
  integer,
  namespace,
  text,
  withVariable,
} from '../../process/flags/flag-types.ts'
import { clusterFlags } from '../../process/flags/cluster-flags.ts'
import { logFlags } from '../../process/flags/log-flags.ts'
import type { FlagGroups } from '../../process/flags/parse-flags.ts'

/** The webhook server's flags: names and defaults are those of kube-fledged, as far as it has them. */

/** All flags, by group of the help. Throws `UsageError` where the environment has a bad default. */
export function webhookFlags(env: Environment) {
  const directory = env['CERT_KEY_PATH']?.replace(/\/*$/, '/') ?? ''
  const file = (name: string) => (directory === '' ? '' : directory + name)
  return {
    serving: {
      port: integer(['port', 'Port that reviews are answered on, over HTTPS.'], 443, { min: 0, max: 65_535 }),
      certFile: text(
        [
          'cert-file',
          'Certificate to serve with, read again when it changes; where there is no such file, or none is named, the server makes its own. The environment variable CERT_KEY_PATH names the directory of the default, tls.crt.',
        ],
        file('tls.crt'),
        'path',
      ),
      keyFile: text(
        ['key-file', 'Private key of --cert-file; in CERT_KEY_PATH tls.key.'],
        file('tls.key'),
        'path',
      ),
      initServer: boolean(
        ['init-server', 'Accepted: ends at once, since the server makes its certificates itself.'],
        false,
      ),
    },
    cluster: {
      service: withVariable(
        text(['service', 'Service that API servers reach this server by.'], 'kubefledged-webhook-server'),
        'WEBHOOK_SERVER_SERVICE',
        env,
      ),
      namespace: withVariable(
        namespace(['namespace', "The server's own namespace."], 'kube-fledged'),
        'KUBEFLEDGED_NAMESPACE',
        env,
      ),
      configuration: withVariable(
        text(
          ['validating-webhook-config', 'ValidatingWebhookConfiguration whose CA bundle is kept right.'],
          'kubefledged-webhook-server',
        ),
        'VALIDATING_WEBHOOK_CONFIG',
        env,
      ),
      ...clusterFlags(),
    },
    logs: logFlags(),
  } satisfies FlagGroups
}
