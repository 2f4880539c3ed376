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

/** The webhook server's flags. A flag that kube-fledged has keeps its name and default. */

/** All flags, by group of the help. Throws `UsageError` if an environment variable is invalid. */
export function webhookFlags(env: Environment) {
  const directory = env['CERT_KEY_PATH']?.replace(/\/*$/, '/') ?? ''
  const file = (name: string) => (directory === '' ? '' : directory + name)
  return {
    serving: {
      port: integer(['port', 'Port for admission reviews, over HTTPS.'], 443, { min: 0, max: 65_535 }),
      certFile: text(
        [
          'cert-file',
          'File of the serving certificate. The server reads it again when it changes. If the flag is empty or the file does not exist, the server makes its own certificate. With the environment variable CERT_KEY_PATH, the default is tls.crt in that directory.',
        ],
        file('tls.crt'),
        'path',
      ),
      keyFile: text(
        [
          'key-file',
          'File of the private key of --cert-file. With CERT_KEY_PATH, the default is tls.key in that directory.',
        ],
        file('tls.key'),
        'path',
      ),
      initServer: boolean(
        [
          'init-server',
          'Accepted for old manifests: the program ends at once, because the server makes its own certificates.',
        ],
        false,
      ),
    },
    cluster: {
      service: withVariable(
        text(
          ['service', 'Service by which the API server reaches this server.'],
          'kubefledged-webhook-server',
        ),
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
          [
            'validating-webhook-config',
            'ValidatingWebhookConfiguration whose CA bundle this server maintains.',
          ],
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
