import type { KubeObject } from '../../api/object.ts'
import { type KubeClient, type Logger, type Resource, isKubeError } from '../../kube/index.ts'

/**
 * Time for which the secrets of a service account are remembered.
 * Many Jobs of a namespace are created in seconds.
 */
const CACHE_MS = 30_000

const PODS = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true } as const
const SERVICE_ACCOUNTS = { ...PODS, plural: 'serviceaccounts', kind: 'ServiceAccount' } as const

interface WithPullSecrets {
  readonly imagePullSecrets?: readonly { readonly name?: string }[]
}
type Pod = KubeObject & { readonly spec?: WithPullSecrets }
type ServiceAccount = KubeObject & WithPullSecrets

/**
 * Names of the pull secrets of the controller's own Pod, including those of its service account.
 * The Pods of Jobs run images from the same registry. Throws KubeError.
 *
 * @param podName empty where the Pod is unknown. The result is then empty.
 */
export async function ownPullSecrets(
  client: KubeClient,
  { namespace, podName }: { readonly namespace: string; readonly podName: string },
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (podName === '') return []
  // The controller has the right to list Pods, so it needs no right to get one.
  const fieldSelector = `metadata.name=${podName}`
  const { items } = await client.resource<Pod>(PODS).list({ namespace, fieldSelector, signal })
  return items.flatMap(({ spec }) => namesOf(spec))
}

/**
 * The pull secrets of service accounts.
 * The API server adds them only to a Pod that names no pull secret itself.
 */
export class AccountSecrets {
  readonly #accounts: Resource<ServiceAccount>
  readonly #now: () => number
  readonly #log: Logger
  readonly #kept = new Map<string, { readonly until: number; readonly names: readonly string[] }>()

  constructor(client: KubeClient, log: Logger) {
    this.#accounts = client.resource<ServiceAccount>(SERVICE_ACCOUNTS)
    this.#now = () => client.now()
    this.#log = log
  }

  /** Names of the secrets. Empty where the account does not exist or may not be read. Throws KubeError. */
  async namesOf(namespace: string, account: string, signal: AbortSignal): Promise<readonly string[]> {
    const now = this.#now()
    for (const [key, { until }] of this.#kept) if (until <= now) this.#kept.delete(key)
    const key = `${namespace}/${account}`
    const kept = this.#kept.get(key)
    if (kept) return kept.names
    const names = await this.#read(namespace, account, signal)
    this.#kept.set(key, { until: now + CACHE_MS, names })
    return names
  }

  async #read(namespace: string, name: string, signal: AbortSignal): Promise<readonly string[]> {
    try {
      return namesOf(await this.#accounts.get({ namespace, name, signal }))
    } catch (error) {
      // The API server itself reports the missing service account when it refuses the Pod.
      if (isKubeError(error, 'NotFound')) return []
      if (!isKubeError(error, 'Forbidden')) throw error
      const account = `${namespace}/${name}`
      this.#log.warn({ account }, 'may not read a service account: its pull secrets are not used for pulls')
      return []
    }
  }
}

function namesOf({ imagePullSecrets = [] }: WithPullSecrets = {}): string[] {
  return imagePullSecrets.flatMap(({ name }) => (name ? [name] : []))
}
