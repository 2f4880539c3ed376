import type { KubeObject, OwnerReference } from '../../../api/object.ts'
import { isKubeError, type KubeClient, type Resource, type ResourceDef } from '../../../kube/index.ts'
import type { KeyMaterial } from './material.ts'

/** core/v1 Secret, with the fields that are used here. */
export interface Secret extends KubeObject {
  readonly type?: string
  /** Values in base64. */
  readonly data?: Readonly<Record<string, string>>
}

/** Resource of Secrets. */
export const SECRETS: ResourceDef = {
  group: '',
  version: 'v1',
  plural: 'secrets',
  kind: 'Secret',
  namespaced: true,
}

/** Name of one Secret. */
export interface SecretName {
  readonly name: string
  readonly namespace: string
}

/** Content of the Secret when it was read. */
export interface Stored {
  /** Absent when there is no Secret, or no certificate data in it. */
  readonly material?: KeyMaterial
  /** Absent when there is no Secret. */
  readonly resourceVersion?: string
}

/**
 * The Secret that all replicas share. A write replaces the whole content, and only the version that was read.
 * When two replicas issue certificates at the same time, one write fails and that replica uses the
 * certificates of the other.
 */
export class CertificateSecret {
  readonly name: SecretName
  readonly #secrets: Resource<Secret>

  readonly #owner: OwnerReference | undefined

  /** @param owner owner of a Secret that is created here: it is deleted with the owner */
  constructor(client: KubeClient, name: SecretName, owner?: OwnerReference) {
    this.name = name
    this.#owner = owner
    this.#secrets = client.resource<Secret>(SECRETS)
  }

  /** Reads the Secret from the API server. Throws KubeError. */
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

  /**
   * Replaces the content that was read. Throws KubeError, `AlreadyExists` or `Conflict` when another write
   * was faster.
   */
  async write({ resourceVersion }: Stored, material: KeyMaterial, signal: AbortSignal): Promise<void> {
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
