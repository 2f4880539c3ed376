import { isKubeError, type Logger } from '../../../kube/index.ts'
import type { ServerNames } from './issue.ts'
import type { KeyMaterial } from './material.ts'
import { type Lifetimes, LIFETIMES, rotate } from './rotation.ts'
import type { CertificateSecret } from './secret.ts'
import type { CertificateSource, CheckResult, UseCertificate } from './source.ts'

/** Longest interval between two checks. */
const CHECK_INTERVAL_MS = 3_600_000
/** Wait after a concurrent write, before the Secret is read again. */
const CONFLICT_RETRY_MS = 20
/** Time added to the next due time, so that one check is enough. */
const MARGIN_MS = 1000

/** Certificates that the replicas issue and store in a Secret. */
export class IssuedCertificates implements CertificateSource {
  readonly #secret: CertificateSecret
  readonly #names: ServerNames
  readonly #use: UseCertificate
  readonly #log: Logger
  readonly #lifetimes: Lifetimes
  /** Milliseconds since 1970. */
  readonly #now: () => number
  #inUse: KeyMaterial | undefined

  constructor(options: {
    secret: CertificateSecret
    names: ServerNames
    use: UseCertificate
    log: Logger
    lifetimes?: Lifetimes
    now?: () => number
  }) {
    this.#secret = options.secret
    this.#names = options.names
    this.#use = options.use
    this.#log = options.log
    this.#lifetimes = options.lifetimes ?? LIFETIMES
    this.#now = options.now ?? Date.now
  }

  async reconcile(signal: AbortSignal): Promise<CheckResult> {
    const stored = await this.#secret.read(signal)
    // Restore a deleted Secret with the same content, so that clients need not trust a new authority.
    const known = stored.material ?? this.#inUse
    const now = this.#now()
    const { material, until } = await rotate(known, this.#names, now, this.#lifetimes)
    if (material !== stored.material) {
      try {
        await this.#secret.write(stored, material, signal)
        this.#log.info({ secret: this.#secret.name, until: new Date(until) }, 'wrote certificates')
      } catch (error) {
        if (isKubeError(error, 'AlreadyExists', 'Conflict')) {
          return { requeueAfterMs: CONFLICT_RETRY_MS, changed: false }
        }
        throw error
      }
    }
    const before = this.#inUse
    if (material.certificate !== before?.certificate) this.#use(material)
    this.#inUse = material
    return {
      requeueAfterMs: Math.min(CHECK_INTERVAL_MS, until - now + MARGIN_MS),
      changed: material.bundle !== before?.bundle,
    }
  }

  /** Reads the bundle again: another replica may have written a new one, which must not be overwritten. */
  async bundle(signal: AbortSignal): Promise<string | undefined> {
    return (await this.#secret.read(signal)).material?.bundle || undefined
  }
}
