import { isKubeError, type Logger } from '../../../kube/index.ts'
import type { ServerNames } from './issue.ts'
import type { Material } from './material.ts'
import { type Lifetimes, LIFETIMES, rotate } from './rotation.ts'
import type { CertificateSecret } from './secret.ts'
import type { CertificateSource, Look, UseCertificate } from './source.ts'

/** Longest time between two looks. */
const LOOK_MS = 3_600_000
/** Somebody else wrote at the same time: what they wrote is read at once. */
const LOST_RACE_MS = 20
/** Past the moment itself, so that one look is enough. */
const MARGIN_MS = 1000

/** Certificates that the replicas make themselves and keep in a Secret. */
export class SelfMadeCertificates implements CertificateSource {
  readonly #secret: CertificateSecret
  readonly #names: ServerNames
  readonly #use: UseCertificate
  readonly #log: Logger
  readonly #lifetimes: Lifetimes
  /** Milliseconds since 1970. */
  readonly #now: () => number
  #inUse: Material | undefined

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

  async reconcile(signal: AbortSignal): Promise<Look> {
    const stored = await this.#secret.read(signal)
    // A Secret that somebody deleted comes back as it was: nobody has to learn to trust anything new.
    const known = stored.material ?? this.#inUse
    const now = this.#now()
    const { material, until } = await rotate(known, this.#names, now, this.#lifetimes)
    if (material !== stored.material) {
      try {
        await this.#secret.write(stored, material, signal)
        this.#log.info({ secret: this.#secret.name, until: new Date(until) }, 'wrote certificates')
      } catch (error) {
        if (isKubeError(error, 'AlreadyExists', 'Conflict')) {
          return { requeueAfterMs: LOST_RACE_MS, changed: false }
        }
        throw error
      }
    }
    const before = this.#inUse
    if (material.certificate !== before?.certificate) this.#use(material)
    this.#inUse = material
    return {
      requeueAfterMs: Math.min(LOOK_MS, until - now + MARGIN_MS),
      changed: material.bundle !== before?.bundle,
    }
  }

  /** Read anew: another replica may have written since, and what it wrote must not be taken back. */
  async bundle(signal: AbortSignal): Promise<string | undefined> {
    return (await this.#secret.read(signal)).material?.bundle || undefined
  }
}
