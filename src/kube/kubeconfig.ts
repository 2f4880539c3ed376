import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { type ClusterConfig, ConfigError } from './cluster-config.ts'
import { type Credential, type CredentialSource, fixedCredential, TokenFile } from './credentials.ts'
import { type ExecConfig, ExecCredentials } from './exec-credentials.ts'

interface Cluster {
  readonly server?: string
  readonly 'certificate-authority'?: string
  readonly 'certificate-authority-data'?: string
  readonly 'insecure-skip-tls-verify'?: boolean
  readonly 'tls-server-name'?: string
}

interface User {
  readonly token?: string
  readonly tokenFile?: string
  readonly 'client-certificate'?: string
  readonly 'client-certificate-data'?: string
  readonly 'client-key'?: string
  readonly 'client-key-data'?: string
  readonly 'auth-provider'?: unknown
  readonly username?: string
  readonly exec?: ExecConfig
}

interface Context {
  readonly cluster?: string
  readonly user?: string
  readonly namespace?: string
}

interface Kubeconfig {
  readonly 'current-context'?: string
  readonly clusters?: readonly ({ readonly name: string; readonly cluster?: Cluster } | null)[] | null
  readonly users?: readonly ({ readonly name: string; readonly user?: User } | null)[] | null
  readonly contexts?: readonly ({ readonly name: string; readonly context?: Context } | null)[] | null
}

/**
 * Reads a kubeconfig file (client.authentication and clientcmd v1): the current context, or the named one.
 * Relative paths start at the directory of the file.
 *
 * @throws ConfigError when the file cannot be read, is no kubeconfig, or needs an unsupported feature
 */
export function loadKubeconfig(path: string, contextName?: string): ClusterConfig {
  const file = readKubeconfig(path)
  const name = contextName ?? file['current-context']
  if (!name) throw new ConfigError(`${path}: no context named and no current-context set`)
  const context = named(file.contexts, name)?.context
  if (!context) {
    const known = (file.contexts ?? []).flatMap(entry => entry?.name ?? [])
    throw new ConfigError(`${path}: no context "${name}" (there is: ${known.join(', ') || 'none'})`)
  }
  const cluster = named(file.clusters, context.cluster)?.cluster
  if (!cluster?.server) {
    throw new ConfigError(
      `${path}: context "${name}" names cluster "${context.cluster}", which has no server`,
    )
  }
  const user = context.user ? named(file.users, context.user)?.user : {}
  if (!user)
    throw new ConfigError(`${path}: context "${name}" names user "${context.user}", which is not there`)

  const directory = dirname(resolve(path))
  const ca = inlineOrFile(cluster, 'certificate-authority', directory)
  const tlsServerName = cluster['tls-server-name']
  const server = serverOf(cluster.server, path)
  return {
    server,
    ...(ca === undefined ? {} : { ca }),
    ...(cluster['insecure-skip-tls-verify'] ? { insecureSkipTlsVerify: true } : {}),
    ...(tlsServerName ? { tlsServerName } : {}),
    ...(context.namespace ? { namespace: context.namespace } : {}),
    credentials: credentialsOf(user, { server, cluster, ca }, directory, `${path}: user "${context.user}"`),
  }
}

function readKubeconfig(path: string): Kubeconfig {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new ConfigError(`cannot read the kubeconfig file ${path}`, { cause })
  }
  let value: unknown
  try {
    value = parse(text)
  } catch (cause) {
    throw new ConfigError(`${path} is not YAML`, { cause })
  }
  if (typeof value !== 'object' || value === null || !('contexts' in value)) {
    throw new ConfigError(`${path} is not a kubeconfig file: it has no contexts`)
  }
  return value as Kubeconfig
}

function named<E extends { readonly name: string }>(
  entries: readonly (E | null)[] | null | undefined,
  name: string | undefined,
): E | undefined {
  return entries?.find(entry => entry?.name === name) ?? undefined
}

function serverOf(server: string, path: string): string {
  const url = URL.parse(server)
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new ConfigError(`${path}: not the address of an API server: ${server}`)
  }
  return url.href.replace(/\/$/, '')
}

/** The PEM text of `<field>-data` (base64), else of the file named by `<field>`. */
function inlineOrFile<F extends string>(
  from: { readonly [K in F | `${F}-data`]?: string },
  field: F,
  directory: string,
): string | undefined {
  const inline = from[`${field}-data`]
  if (inline) return Buffer.from(inline, 'base64').toString('utf8')
  const path = from[field]
  if (!path) return undefined
  try {
    return readFileSync(resolve(directory, path), 'utf8')
  } catch (cause) {
    throw new ConfigError(`cannot read ${resolve(directory, path)} (${field})`, { cause })
  }
}

function credentialsOf(
  user: User,
  target: { server: string; cluster: Cluster; ca: string | undefined },
  directory: string,
  who: string,
): CredentialSource {
  if (user['auth-provider']) {
    throw new ConfigError(`${who}: auth-provider was removed from Kubernetes in 1.26; use an exec plugin`)
  }
  if (user.username)
    throw new ConfigError(`${who}: username and password were removed from Kubernetes in 1.19`)
  if (user.exec) return execCredentials(user.exec, target, directory, who)

  const cert = inlineOrFile(user, 'client-certificate', directory)
  const key = inlineOrFile(user, 'client-key', directory)
  if ((cert === undefined) !== (key === undefined)) {
    throw new ConfigError(`${who}: a client certificate needs both client-certificate and client-key`)
  }
  const tls: Credential = cert !== undefined && key !== undefined ? { cert, key } : {}
  if (user.tokenFile) return new TokenFile(resolve(directory, user.tokenFile), tls)
  return fixedCredential(user.token ? { ...tls, token: user.token } : tls)
}

function execCredentials(
  exec: ExecConfig,
  target: { server: string; cluster: Cluster; ca: string | undefined },
  directory: string,
  who: string,
): CredentialSource {
  if (!exec.command) throw new ConfigError(`${who}: exec has no command`)
  if (!/^client\.authentication\.k8s\.io\/v1(beta1)?$/.test(exec.apiVersion ?? '')) {
    throw new ConfigError(
      `${who}: exec plugin of ${exec.apiVersion}; client.authentication.k8s.io/v1 is supported`,
    )
  }
  if (exec.interactiveMode === 'Always') {
    throw new ConfigError(`${who}: the exec plugin always asks a person (interactiveMode: Always)`)
  }
  const { cluster, ca } = target
  // A path is relative to the file. A bare name is looked up in PATH.
  const command = exec.command.includes('/') ? resolve(directory, exec.command) : exec.command
  return new ExecCredentials(
    { ...exec, command },
    {
      server: target.server,
      ...(ca === undefined ? {} : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }),
      ...(cluster['insecure-skip-tls-verify'] ? { 'insecure-skip-tls-verify': true } : {}),
      ...(cluster['tls-server-name'] ? { 'tls-server-name': cluster['tls-server-name'] } : {}),
    },
    directory,
  )
}
