import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Logger } from '../../../kube/index.ts'
import type { CertificateSource, CheckResult, ServingCertificate, UseCertificate } from './source.ts'

/** Interval at which the files are read. The kubelet and cert-manager replace them from time to time. */
const CHECK_INTERVAL_MS = 10_000

/** Paths of a certificate and its key. */
export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

/**
 * Certificates from files that others write. The files are read again at an interval. A `ca.crt` in the same
 * directory is the bundle.
 */
export class FileCertificates implements CertificateSource {
  readonly #files: CertificateFiles
  readonly #use: UseCertificate
  readonly #log: Logger
  readonly #checkIntervalMs: number
  #inUse: ServingCertificate | undefined
  #bundle: string | undefined

  constructor(
    files: CertificateFiles,
    use: UseCertificate,
    log: Logger,
    checkIntervalMs = CHECK_INTERVAL_MS,
  ) {
    this.#files = files
    this.#use = use
    this.#log = log
    this.#checkIntervalMs = checkIntervalMs
  }

  async reconcile(signal: AbortSignal): Promise<CheckResult> {
    const [certificate, key, bundle] = await Promise.all([
      readFile(this.#files.certificate, { encoding: 'utf8', signal }),
      readFile(this.#files.key, { encoding: 'utf8', signal }),
      this.bundle(signal),
    ])
    const changed = bundle !== this.#bundle
    // A certificate of a new authority is used from the next reconcile on: the API server must trust the
    // authority first.
    const trusted = !changed || this.#inUse === undefined
    if (trusted && (certificate !== this.#inUse?.certificate || key !== this.#inUse.key)) {
      this.#use({ certificate, key })
      this.#inUse = { certificate, key }
      this.#log.info({ file: this.#files.certificate }, 'took the certificate of a file')
    }
    this.#bundle = bundle
    return { requeueAfterMs: this.#checkIntervalMs, changed }
  }

  async bundle(signal: AbortSignal): Promise<string | undefined> {
    const path = join(dirname(this.#files.certificate), 'ca.crt')
    try {
      return (await readFile(path, { encoding: 'utf8', signal })) || undefined
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    }
  }
}
