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

/** admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration, with the fields that are used here. */
export interface WebhookConfiguration extends KubeObject {
  readonly webhooks?: readonly {
    readonly name: string
    readonly clientConfig: { readonly caBundle?: string }
  }[]
}

/** Resource of ValidatingWebhookConfigurations. */
export const WEBHOOK_CONFIGURATIONS: ResourceDef = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'validatingwebhookconfigurations',
  kind: 'ValidatingWebhookConfiguration',
  namespaced: false,
}

/**
 * How long foreign authorities stay in the bundle. The kubelet updates a changed Secret in its Pods within
 * two minutes.
 */
const GRACE_MS = 600_000

/**
 * Keeps the authorities of this server in the CA bundle of a webhook configuration, so that the API server
 * trusts this server. Foreign authorities stay in the bundle for a while: another replica may still use one,
 * because its files are older or newer, or because its certificates have another source.
 */
export class CaBundle {
  readonly #configurations: Resource<WebhookConfiguration>
  readonly #name: string
  readonly #log: Logger
  readonly #graceMs: number
  /** Time at which each foreign authority was first seen, by fingerprint. */
  readonly #foreignSince = new Map<string, number>()

  constructor(client: KubeClient, name: string, log: Logger, graceMs = GRACE_MS) {
    this.#configurations = client.resource<WebhookConfiguration>(WEBHOOK_CONFIGURATIONS)
    this.#name = name
    this.#log = log
    this.#graceMs = graceMs
  }

  /**
   * Writes these authorities into each webhook of the configuration, and removes expired and old foreign
   * ones. Does nothing when there is no configuration. Resolves to the milliseconds until the next check,
   * when foreign authorities stay. Throws KubeError, `Conflict` when another write was faster.
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
    const foreign = this.#foreignIn(found, own, now)
    const wanted = new Set([...own, ...foreign].map(({ fingerprint256 }) => fingerprint256))
    if (!found.every(pem => hasExactly(pem, wanted))) {
      const { resourceVersion } = configuration.metadata
      const caBundle = Buffer.from(`${bundle.trimEnd()}\n${bundleOf(foreign)}`, 'utf8').toString('base64')
      const webhooks = configuration.webhooks.map(webhook => ({
        ...webhook,
        clientConfig: { ...webhook.clientConfig, caBundle },
      }))
      await this.#configurations.mergePatch(
        { name: this.#name },
        { metadata: { resourceVersion }, webhooks },
        { signal },
      )
      this.#log.info({ configuration: this.#name, others: foreign.length }, 'set the CA bundle')
    }
    // An authority that returns starts a new grace time. Else two replicas with different bundles would write
    // without a pause.
    for (const known of this.#foreignSince.keys()) if (!wanted.has(known)) this.#foreignSince.delete(known)
    if (this.#foreignSince.size === 0) return undefined
    return Math.max(0, Math.min(...this.#foreignSince.values()) + this.#graceMs - now)
  }

  /** The foreign authorities that may still be in use. */
  #foreignIn(found: readonly string[], own: readonly X509Certificate[], now: number): X509Certificate[] {
    const ours = new Set(own.map(({ fingerprint256 }) => fingerprint256))
    const foreign = new Map<string, X509Certificate>()
    for (const certificate of found.flatMap(certificatesOf)) {
      const { fingerprint256, validToDate } = certificate
      if (ours.has(fingerprint256) || validToDate.getTime() <= now) continue
      const since = this.#foreignSince.get(fingerprint256) ?? now
      this.#foreignSince.set(fingerprint256, since)
      if (now - since < this.#graceMs) foreign.set(fingerprint256, certificate)
    }
    for (const fingerprint of ours) this.#foreignSince.delete(fingerprint)
    return [...foreign.values()]
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

/** True when the bundle has exactly these authorities. */
function hasExactly(bundle: string, fingerprints: ReadonlySet<string>): boolean {
  const found = new Set(certificatesOf(bundle).map(({ fingerprint256 }) => fingerprint256))
  return found.size === fingerprints.size && [...found].every(one => fingerprints.has(one))
}
