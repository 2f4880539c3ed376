import type { KubeObject } from '../api/object.ts'
import { isKubeError, type KubeClient, type Logger, type Resource, type ResourceDef } from '../kube/index.ts'

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

/** Sees to it that the API server trusts this server: the CA bundle of one webhook configuration. */
export class CaBundle {
  readonly #configurations: Resource<WebhookConfiguration>
  readonly #name: string
  readonly #log: Logger

  constructor(client: KubeClient, name: string, log: Logger) {
    this.#configurations = client.resource<WebhookConfiguration>(WEBHOOK_CONFIGURATIONS)
    this.#name = name
    this.#log = log
  }

  /**
   * Makes the bundle so in every webhook of the configuration; nothing where there is no configuration. True where it had
   * to be written. Throws KubeError, `Conflict` where somebody wrote at the same time.
   */
  async repair(bundle: string, signal: AbortSignal): Promise<boolean> {
    const configuration = await this.#read(signal)
    const caBundle = Buffer.from(bundle, 'utf8').toString('base64')
    const webhooks = configuration?.webhooks ?? []
    if (!configuration || webhooks.every(({ clientConfig }) => clientConfig.caBundle === caBundle))
      return false
    const { resourceVersion } = configuration.metadata
    await this.#configurations.mergePatch(
      { name: this.#name },
      {
        metadata: { resourceVersion },
        webhooks: webhooks.map(webhook => ({
          ...webhook,
          clientConfig: { ...webhook.clientConfig, caBundle },
        })),
      },
      { signal },
    )
    this.#log.info({ configuration: this.#name }, 'set the CA bundle')
    return true
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
