import type { KubeObject } from '../api/object.ts'
import type { Reference } from '../oci/reference.ts'
import {
  type Credentials,
  type DockerConfigEntry,
  InvalidDockerConfigError,
  credentialsFor,
  parseDockerConfig,
} from '../oci/registry/index.ts'
import { type KubeClient, type Logger, type Resource, isKubeError } from '../kube/index.ts'

/** Key of a Secret of the type `kubernetes.io/dockerconfigjson`. */
const DOCKER_CONFIG = '.dockerconfigjson'
/** Key of a Secret of the older type `kubernetes.io/dockercfg`: the same without `auths` around it. */
const OLD_DOCKER_CONFIG = '.dockercfg'
/** Time for which a Secret that was read is used again. A refresh asks about many images in seconds. */
const KEPT_MS = 30_000

/**
 * Greatest number of Secrets of one cache. Reading more would use up the API requests of other caches; the
 * nodes ask instead.
 */
const MAX_SECRETS = 16

interface Secret extends KubeObject {
  readonly data?: Readonly<Record<string, string>>
}

interface Kept {
  readonly until: number
  /** Undefined where the controller may not read it, or cannot. */
  readonly entries: readonly DockerConfigEntry[] | undefined
}

/**
 * Reads the pull secrets of image caches, in namespaces where an administrator allows it
 * (`--read-pull-secrets`).
 * Reads only Secrets that a cache names, and forgets them after half a minute.
 */
export class PullSecrets {
  readonly #secrets: Resource<Secret>
  readonly #now: () => number
  readonly #log: Logger
  readonly #kept = new Map<string, Kept>()

  constructor(client: KubeClient, log: Logger) {
    const core = { group: '', version: 'v1', plural: 'secrets', kind: 'Secret', namespaced: true }
    this.#secrets = client.resource<Secret>(core)
    this.#now = () => client.now()
    this.#log = log
  }

  /**
   * The credentials that the kubelet would try for the image, in its order. Empty where there are none, or
   * where a Secret does not exist. Undefined where the controller may not or cannot read one of the Secrets,
   * or there are more than 16. Throws KubeError.
   *
   * @param names of Secrets in the namespace
   */
  async credentialsFor(
    reference: Reference,
    namespace: string,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly Credentials[] | undefined> {
    if (names.length > MAX_SECRETS) return undefined
    const all: DockerConfigEntry[] = []
    for (const name of names) {
      const entries = await this.#entriesOf(namespace, name, signal)
      if (!entries) return undefined
      all.push(...entries)
    }
    return credentialsFor(all, reference)
  }

  async #entriesOf(namespace: string, name: string, signal: AbortSignal): Promise<Kept['entries']> {
    const now = this.#now()
    for (const [key, { until }] of this.#kept) if (until <= now) this.#kept.delete(key)
    const key = `${namespace}/${name}`
    const kept = this.#kept.get(key)
    if (kept) return kept.entries
    const entries = await this.#read(namespace, name, signal)
    this.#kept.set(key, { until: now + KEPT_MS, entries })
    return entries
  }

  async #read(namespace: string, name: string, signal: AbortSignal): Promise<Kept['entries']> {
    const secret = `${namespace}/${name}`
    try {
      const { data } = await this.#secrets.get({ namespace, name, signal })
      const textOf = (key: string) => Buffer.from(data?.[key] ?? '', 'base64').toString('utf8')
      const [text, oldText] = [textOf(DOCKER_CONFIG), textOf(OLD_DOCKER_CONFIG)]
      if (text !== '') return parseDockerConfig(text)
      return oldText === '' ? [] : parseDockerConfig(`{"auths":${oldText}}`)
    } catch (error) {
      if (isKubeError(error, 'NotFound')) return []
      if (isKubeError(error, 'Forbidden')) {
        this.#log.info({ secret }, 'may not read a pull secret: nodes ask their registries themselves')
        return undefined
      }
      if (!(error instanceof InvalidDockerConfigError)) throw error
      this.#log.warn(
        { secret, reason: error.message },
        'a pull secret cannot be used: nodes ask for themselves',
      )
      return undefined
    }
  }
}
