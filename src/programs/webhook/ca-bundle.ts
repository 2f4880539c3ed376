import type { X509Certificate } from 'node:crypto'
import type { KubeObject } from '../../api/object.ts'
import {
  isKubeError,
  type KubeClient,
  type Logger,
  type Resource,
  type ResourceDef,
} from '../../kube/index.ts'
import { bundleOf, certificatesOf } from './certificate/material.ts'

/** admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration, as far as it is used here. */
export interface WebhookConfiguration extends KubeObject {
  readonly webhooks?: readonly {
    readonly name: string
    readonly clientConfig: { readonly caBundle?: string }
  }[]
}

/** ValidatingWebhookConfigurations of the API server. */
export const WEBHOOK_CONFIGURATIONS: ResourceDef = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'validatingwebhookconfigurations',
  kind: 'ValidatingWebhookConfiguration',
  namespaced: false,
}

/** How long the authorities of others stay in the bundle. Kubelets bring a changed Secret to their Pods within two minutes. */
const GRACE_MS = 600_000

/**
 * Sees to it that the API server trusts this server: the CA bundle of one webhook configuration. What else is in there
 * stays for a while, since another replica may serve by it, one whose files are older or newer, or that makes its
 * certificates in another way.
 */
export class CaBundle {
  readonly #configurations: Resource<WebhookConfiguration>
  readonly #name: string
  readonly #log: Logger
  readonly #graceMs: number
  /** When authorities of others were first seen, by fingerprint. */
  readonly #others = new Map<string, number>()

  constructor(client: KubeClient, name: string, log: Logger, graceMs = GRACE_MS) {
    this.#configurations = client.resource<WebhookConfiguration>(WEBHOOK_CONFIGURATIONS)
    this.#name = name
    this.#log = log
    this.#graceMs = graceMs
  }

  /**
   * Puts these authorities into every webhook of the configuration, and takes out what is of no use; nothing where there is
   * no configuration. Answers after how many milliseconds it wants to look again, where others' authorities stayed. Throws
   * KubeError, `Conflict` where somebody wrote at the same time.
   */
  async repair(bundle: string, signal: AbortSignal): Promise<number | undefined> {
    const configuration = await this.#read(signal)
    const own = certificatesOf(bundle)
    if (!configuration?.webhooks) return undefined
    if (own.length === 0) {
      this.#log.warn(
        { configuration: this.#name },
        'the CA bundle that was given has no certificate: left as it is',
      )
      return undefined
    }
    const now = Date.now()
    const found = configuration.webhooks.map(({ clientConfig }) => pemOf(clientConfig.caBundle))
    const others = this.#othersIn(found, own, now)
    const wanted = new Set([...own, ...others].map(({ fingerprint256 }) => fingerprint256))
    if (!found.every(pem => holds(pem, wanted))) {
      const { resourceVersion } = configuration.metadata
      const caBundle = Buffer.from(`${bundle.trimEnd()}\n${bundleOf(others)}`, 'utf8').toString('base64')
      const webhooks = configuration.webhooks.map(webhook => ({
        ...webhook,
        clientConfig: { ...webhook.clientConfig, caBundle },
      }))
      await this.#configurations.mergePatch(
        { name: this.#name },
        { metadata: { resourceVersion }, webhooks },
        { signal },
      )
      this.#log.info({ configuration: this.#name, others: others.length }, 'set the CA bundle')
    }
    // Whoever comes back begins anew, or two replicas that never agree would write without a pause.
    for (const known of this.#others.keys()) if (!wanted.has(known)) this.#others.delete(known)
    if (this.#others.size === 0) return undefined
    return Math.max(0, Math.min(...this.#others.values()) + this.#graceMs - now)
  }

  /** The authorities of others that may still be of use. */
  #othersIn(found: readonly string[], own: readonly X509Certificate[], now: number): X509Certificate[] {
    const ours = new Set(own.map(({ fingerprint256 }) => fingerprint256))
    const others = new Map<string, X509Certificate>()
    for (const certificate of found.flatMap(certificatesOf)) {
      const { fingerprint256, validToDate } = certificate
      if (ours.has(fingerprint256) || validToDate.getTime() <= now) continue
      const since = this.#others.get(fingerprint256) ?? now
      this.#others.set(fingerprint256, since)
      if (now - since < this.#graceMs) others.set(fingerprint256, certificate)
    }
    for (const fingerprint of ours) this.#others.delete(fingerprint)
    return [...others.values()]
  }

  async #read(signal: AbortSignal): Promise<WebhookConfiguration | undefined> {
    try {
      return await this.#configurations.get({ name: this.#name, signal })
    } catch (error) {
      if (isKubeError(error, 'NotFound')) return undefined
      throw error
    }
  }
}

function pemOf(caBundle: string | undefined): string {
  return Buffer.from(caBundle ?? '', 'base64').toString('utf8')
}

/** True where the bundle has these authorities and no others. */
function holds(bundle: string, fingerprints: ReadonlySet<string>): boolean {
  const found = new Set(certificatesOf(bundle).map(({ fingerprint256 }) => fingerprint256))
  return found.size === fingerprints.size && [...found].every(one => fingerprints.has(one))
}
