import { execFile } from 'node:child_process'
import type { Credential, CredentialSource } from './credentials.ts'
import { KubeError } from './errors.ts'

/** `users[].user.exec` of a kubeconfig. */
export interface ExecConfig {
  readonly apiVersion?: string
  readonly command?: string
  readonly args?: readonly string[] | null
  readonly env?: readonly { readonly name: string; readonly value: string }[] | null
  readonly installHint?: string
  readonly provideClusterInfo?: boolean
  readonly interactiveMode?: string
}

/** `spec.cluster` of an ExecCredential, for plugins that ask for it. */
export interface ExecClusterInfo {
  readonly server: string
  readonly 'certificate-authority-data'?: string
  readonly 'insecure-skip-tls-verify'?: boolean
  readonly 'tls-server-name'?: string
}

interface ExecCredential {
  readonly kind?: string
  readonly status?: {
    readonly token?: string
    readonly clientCertificateData?: string
    readonly clientKeyData?: string
    readonly expirationTimestamp?: string
  }
}

/** Time for a plugin to ask an identity provider over a slow network. A plugin cannot ask a person. */
const EXEC_TIMEOUT_MS = 60_000
const EXEC_MAX_OUTPUT_BYTES = 1024 * 1024
/** A credential that expires within this time is replaced. */
const EXPIRY_MARGIN_MS = 10_000

/**
 * Credentials from an `exec` plugin (client.authentication.k8s.io/v1, not interactive). The command runs
 * without a shell. Its answer is kept until it expires or is refused.
 */
export class ExecCredentials implements CredentialSource {
  readonly #config: ExecConfig
  readonly #cluster: ExecClusterInfo
  readonly #directory: string
  #running: Promise<Credential> | undefined
  #latest: Credential | undefined
  #expiresAt = Number.POSITIVE_INFINITY

  /** @param directory base of a relative command path: the directory of the kubeconfig file */
  constructor(config: ExecConfig, cluster: ExecClusterInfo, directory: string) {
    this.#config = config
    this.#cluster = cluster
    this.#directory = directory
  }

  get(): Promise<Credential> {
    if (Date.now() >= this.#expiresAt - EXPIRY_MARGIN_MS) this.#forget()
    this.#running ??= this.#run().catch((error: unknown) => {
      this.#forget()
      throw error
    })
    return this.#running
  }

  invalidate(refused: Credential): void {
    // Several requests may be refused with one credential. Only the first refusal runs the plugin again.
    if (refused === this.#latest) this.#forget()
  }

  #forget(): void {
    this.#running = undefined
    this.#latest = undefined
    this.#expiresAt = Number.POSITIVE_INFINITY
  }

  async #run(): Promise<Credential> {
    const answer = parseCredential(await this.#output(), this.#config.command)
    const { token, clientCertificateData, clientKeyData, expirationTimestamp } = answer
    if (expirationTimestamp !== undefined) this.#expiresAt = Date.parse(expirationTimestamp)
    this.#latest = {
      ...(token === undefined ? {} : { token }),
      ...(clientCertificateData === undefined || clientKeyData === undefined
        ? {}
        : { cert: clientCertificateData, key: clientKeyData }),
    }
    return this.#latest
  }

  #output(): Promise<string> {
    const { command = '', args, env, apiVersion, provideClusterInfo, installHint } = this.#config
    const info = {
      apiVersion,
      kind: 'ExecCredential',
      spec: { interactive: false, ...(provideClusterInfo ? { cluster: this.#cluster } : {}) },
    }
    const environment = {
      ...process.env,
      ...Object.fromEntries((env ?? []).map(({ name, value }) => [name, value])),
      KUBERNETES_EXEC_INFO: JSON.stringify(info),
    }
    const options = {
      env: environment,
      cwd: this.#directory,
      timeout: EXEC_TIMEOUT_MS,
      maxBuffer: EXEC_MAX_OUTPUT_BYTES,
    }
    return new Promise((resolve, reject) => {
      execFile(command, args ?? [], options, (cause, stdout, stderr) => {
        if (!cause) {
          resolve(stdout)
          return
        }
        const hint = 'code' in cause && cause.code === 'ENOENT' && installHint ? `. ${installHint}` : ''
        const words = stderr.trim().slice(-500) || cause.message
        reject(
          new KubeError('Unauthorized', `credential plugin ${command} failed: ${words}${hint}`, { cause }),
        )
      })
    })
  }
}

function parseCredential(output: string, command = ''): NonNullable<ExecCredential['status']> {
  let value: ExecCredential
  try {
    value = JSON.parse(output)
  } catch (cause) {
    throw new KubeError('Unauthorized', `credential plugin ${command} did not print JSON`, { cause })
  }
  const status = value.kind === 'ExecCredential' ? value.status : undefined
  if (!status?.token && !status?.clientCertificateData) {
    throw new KubeError('Unauthorized', `credential plugin ${command} gave neither a token nor a certificate`)
  }
  return status
}
