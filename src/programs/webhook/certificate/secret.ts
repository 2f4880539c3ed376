import type { KubeObject, OwnerReference } from '../../../api/object.ts'
import { isKubeError, type KubeClient, type Resource, type ResourceDef } from '../../../kube/index.ts'
import type { Material } from './material.ts'

/** core/v1 Secret, as far as it is used here. */
export interface Secret extends KubeObject {
  readonly type?: string
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>
}

/** Secrets of the API server. */
export const SECRETS: ResourceDef = {
  group: '',
  version: 'v1',
  plural: 'secrets',
  kind: 'Secret',
  namespaced: true,
}

/** Names a Secret. */
export interface SecretName {
  readonly name: string
  readonly namespace: string
}

/** What a Secret held when it was read. */
export interface Stored {
  /** Absent where there is no Secret, or nothing of a certificate in it. */
  readonly material?: Material
  /** Absent where there is no Secret. */
  readonly resourceVersion?: string
}

/**
 * The one Secret that all replicas share: what is written is written whole and only over what was read, so that of two
 * replicas that make certificates at once one wins and the other takes what it made.
 */
export class CertificateSecret {
  readonly name: SecretName
  readonly #secrets: Resource<Secret>

  readonly #owner: OwnerReference | undefined

  /** @param owner with which the Secret goes, should it have to be made */
  constructor(client: KubeClient, name: SecretName, owner?: OwnerReference) {
    this.name = name
    this.#owner = owner
    this.#secrets = client.resource<Secret>(SECRETS)
  }

  /** Reads it anew. Throws KubeError. */
  async read(signal: AbortSignal): Promise<Stored> {
    try {
      const { metadata, data = {} } = await this.#secrets.get({ ...this.name, signal })
      const text = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString('utf8')
      const material = {
        certificate: text('tls.crt'),
        key: text('tls.key'),
        bundle: text('ca.crt'),
        authorityKey: text('ca.key'),
      }
      return {
        ...(Object.values(material).some(Boolean) && { material }),
        ...(metadata.resourceVersion !== undefined && { resourceVersion: metadata.resourceVersion }),
      }
    } catch (error) {
      if (isKubeError(error, 'NotFound')) return {}
      throw error
    }
  }

  /** Writes over what was read. Throws KubeError, `AlreadyExists` or `Conflict` where somebody was faster. */
  async write({ resourceVersion }: Stored, material: Material, signal: AbortSignal): Promise<void> {
    const encode = (text: string) => Buffer.from(text, 'utf8').toString('base64')
    const data = {
      'tls.crt': encode(material.certificate),
      'tls.key': encode(material.key),
      'ca.crt': encode(material.bundle),
      'ca.key': encode(material.authorityKey),
    }
    if (resourceVersion === undefined) {
      const labels = { app: 'kubefledged', kubefledged: 'kubefledged-webhook-server' }
      await this.#secrets.create(
        {
          metadata: { ...this.name, labels, ...(this.#owner && { ownerReferences: [this.#owner] }) },
          type: 'kubernetes.io/tls',
          data,
        },
        { signal },
      )
    } else {
      await this.#secrets.mergePatch(this.name, { metadata: { resourceVersion }, data }, { signal })
    }
  }
}
