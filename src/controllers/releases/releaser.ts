import { isKubeError, type KubeClient, type Logger } from '../../kube/index.ts'
import { HelmError } from './helm-error.ts'
import type { Helm, ReleaseName } from './helm.ts'
import type { ManifestClient } from './manifest-client.ts'
import { manifestObjects } from './manifest.ts'
import { isAbandoned, isDeployed, type Release, storedAs } from './release.ts'

const SECRETS = { group: '', version: 'v1', plural: 'secrets', kind: 'Secret', namespaced: true } as const
const HOOK_ANNOTATION = 'helm.sh/hook'

/** helm did not do what it was asked to do with a release; the message is helm's own words. */
export class ReleaseFailure extends Error {
  override readonly name = 'ReleaseFailure'
  readonly code: 'InstallError' | 'UpgradeError' | 'UninstallError'

  constructor(code: ReleaseFailure['code'], cause: HelmError) {
    super(cause.message, { cause })
    this.code = code
  }
}

/** Has helm make releases, whatever state it finds them in. Throws ReleaseFailure, HelmError and KubeError. */
export class Releaser {
  readonly #helm: Helm
  readonly #client: KubeClient
  readonly #objects: ManifestClient
  readonly #log: Logger

  constructor(helm: Helm, client: KubeClient, objects: ManifestClient, log: Logger) {
    this.#helm = helm
    this.#client = client
    this.#objects = objects
    this.#log = log
  }

  /**
   * Makes the release that of this chart with these values. Where it is so already, helm writes nothing.
   *
   * @param rightAt the revision that is known to be it
   */
  async deploy(
    name: ReleaseName,
    { chart, values, rightAt }: { chart: string; values: unknown; rightAt: number | undefined },
    signal: AbortSignal,
  ): Promise<{ readonly release: Release; readonly changed: boolean }> {
    const current = await this.#current(name, signal)
    if (current?.info.status === 'deployed' && current.version === rightAt) {
      return { release: current, changed: false }
    }
    return failingAs(current ? 'UpgradeError' : 'InstallError', async () => {
      // What cannot even be planned must not leave a failed revision for every try.
      const planned = await this.#helm.plan(name, chart, values, signal)
      if (current && isDeployed(current, planned)) return { release: current, changed: false }
      this.#log.info({ release: name }, current ? 'upgrading' : 'installing')
      return { release: await this.#helm.upgrade(name, chart, values, signal), changed: true }
    })
  }

  /** Resolves when the release and its objects are gone, also those of hooks, which helm leaves where a hook failed. */
  async uninstall(name: ReleaseName, signal: AbortSignal): Promise<void> {
    await failingAs('UninstallError', async () => {
      const current = await this.#helm.status(name, signal)
      for (const { manifest } of current?.hooks ?? []) await this.#deleteHook(manifest, name, signal)
      await this.#helm.uninstall(name, signal)
    })
  }

  async #deleteHook(manifest: string, name: ReleaseName, signal: AbortSignal): Promise<void> {
    for (const object of manifestObjects(manifest, name)) {
      await unlessGone(async () => {
        const { resource, live } = await this.#objects.locate(object, name, signal)
        if (!live?.metadata.annotations?.[HOOK_ANNOTATION]) return
        await resource.delete(live.metadata, { propagationPolicy: 'Background', signal })
      })
    }
  }

  /** The release as it is stored, freed from what a crash left of helm's work. */
  async #current(name: ReleaseName, signal: AbortSignal): Promise<Release | undefined> {
    for (;;) {
      const current = await this.#helm.status(name, signal)
      if (current?.info.status === 'uninstalling') {
        await this.uninstall(name, signal)
      } else if (current && isAbandoned(current)) {
        const { version: revision, info } = current
        this.#log.warn({ release: name, revision, status: info.status }, 'removing an unfinished revision')
        const secret = { name: storedAs(current), namespace: name.namespace }
        await unlessGone(() => this.#client.resource(SECRETS).delete(secret, { signal }))
      } else {
        return current
      }
    }
  }
}

/** Does what is to end with something gone; it may be that already, with its kind. */
async function unlessGone(work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isKubeError(error, 'NotFound')) throw error
  }
}

async function failingAs<T>(code: ReleaseFailure['code'], work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof HelmError && error.code === 'Failed' ? new ReleaseFailure(code, error) : error
  }
}
