import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Logger } from '../../../kube/index.ts'
import type { CertificateSource, Look, ServingCertificate, UseCertificate } from './source.ts'

/** The kubelet and cert-manager replace files now and then; reading three small files costs nothing. */
const LOOK_MS = 10_000

/** Paths of a certificate and its key. */
export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

/** Certificates that somebody else makes: files, read again and again. Where `ca.crt` lies beside them, it is the bundle. */
export class GivenCertificates implements CertificateSource {
  readonly #files: CertificateFiles
  readonly #use: UseCertificate
  readonly #log: Logger
  readonly #lookMs: number
  #inUse: ServingCertificate | undefined
  #bundle: string | undefined

  constructor(files: CertificateFiles, use: UseCertificate, log: Logger, lookMs = LOOK_MS) {
    this.#files = files
    this.#use = use
    this.#log = log
    this.#lookMs = lookMs
  }

  async reconcile(signal: AbortSignal): Promise<Look> {
    const [certificate, key, bundle] = await Promise.all([
      readFile(this.#files.certificate, { encoding: 'utf8', signal }),
      readFile(this.#files.key, { encoding: 'utf8', signal }),
      this.bundle(signal),
    ])
    const changed = bundle !== this.#bundle
    // What a new authority has signed is shown from the next look on: the API server has to hear of that authority first.
    const trusted = !changed || this.#inUse === undefined
    if (trusted && (certificate !== this.#inUse?.certificate || key !== this.#inUse.key)) {
      this.#use({ certificate, key })
      this.#inUse = { certificate, key }
      this.#log.info({ file: this.#files.certificate }, 'took the certificate of a file')
    }
    this.#bundle = bundle
    return { requeueAfterMs: this.#lookMs, changed }
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
