import { readFileSync } from 'node:fs'
import { type ClusterConfig, ConfigError } from './cluster-config.ts'
import { fixedCredential, TokenFile } from './credentials.ts'
import { loadKubeconfig } from './kubeconfig.ts'

/** Directory of the Pod's service account, written by the kubelet. */
const SERVICE_ACCOUNT_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * Finds the cluster to connect to.
 *
 * - With a kubeconfig file: its cluster. `master` replaces the server in it.
 * - With `master` only: this server, without credentials, as for `kubectl proxy`.
 * - With neither: the cluster in which this Pod runs.
 *
 * The environment variable KUBECONFIG is ignored.
 *
 * @throws ConfigError when a file is missing or incomplete
 */
export function loadConfig(options: {
  kubeconfig?: string | undefined
  master?: string | undefined
  context?: string | undefined
}): ClusterConfig {
  if (options.kubeconfig) {
    const config = loadKubeconfig(options.kubeconfig, options.context)
    return options.master ? { ...config, server: serverUrl(options.master) } : config
  }
  if (options.master) return { server: serverUrl(options.master), credentials: fixedCredential({}) }
  return inCluster(process.env, SERVICE_ACCOUNT_DIRECTORY)
}

/**
 * The cluster in which this Pod runs, from the kubelet's environment variables and the projected service
 * account.
 *
 * @throws ConfigError outside of a Pod
 */
export function inCluster(env: NodeJS.ProcessEnv, directory: string): ClusterConfig {
  const host = env['KUBERNETES_SERVICE_HOST']
  const port = env['KUBERNETES_SERVICE_PORT'] ?? '443'
  if (!host) {
    throw new ConfigError(
      'not in a cluster: KUBERNETES_SERVICE_HOST is not set; name a kubeconfig file to work from outside',
    )
  }
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: readServiceAccountFile(`${directory}/ca.crt`),
    credentials: new TokenFile(`${directory}/token`),
    namespace: readServiceAccountFile(`${directory}/namespace`).trim(),
  }
}

function readServiceAccountFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new ConfigError(`cannot read ${path}: is automountServiceAccountToken off?`, { cause })
  }
}

function serverUrl(master: string): string {
  const url = URL.parse(master.includes('://') ? master : `http://${master}`)
  if (!url) throw new ConfigError(`not the address of an API server: ${master}`)
  return url.href.replace(/\/$/, '')
}
