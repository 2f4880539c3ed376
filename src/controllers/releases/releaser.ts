import { isKubeError, type KubeClient, type Logger } from '../../kube/index.ts'
import { HelmError } from './helm-error.ts'
import type { Helm, ReleaseName } from './helm.ts'
import type { ManifestClient } from './manifest-client.ts'
import { manifestObjects } from './manifest.ts'
import { ReleaseRefusal } from './release-refusal.ts'
import { begunAt, isDeployed, isPending, type Release, revisionOf, storedAs } from './release.ts'

const SECRETS = { group: '', version: 'v1', plural: 'secrets', kind: 'Secret', namespaced: true } as const
const HOOK_ANNOTATION = 'helm.sh/hook'
/** helm's words where it finds a pending revision, and makes none. */
const IN_PROGRESS = /another operation .* is in progress/
/** Longest time that helm takes by its own timeout of 5 minutes: for hooks before, for objects, and for hooks behind. */
const ABANDONED_MS = 900_000

/** helm did not do what it was asked to do with a release; the message is helm's own words. */
export class ReleaseFailure extends Error {
  override readonly name = 'ReleaseFailure'
  readonly code: 'InstallError' | 'UpgradeError' | 'UninstallError'

  constructor(code: ReleaseFailure['code'], cause: HelmError) {
    super(cause.message, { cause })
    this.code = code
  }
}

/** What a release is to be, and what is known of it. */
export interface WantedRelease {
  /** Path of the chart. */
  readonly chart: string
  /** Names of charts whose releases may be changed. */
  readonly chartNames: readonly string[]
  readonly values: unknown
  /** The revision that is known to be right, as `revisionOf` names it. */
  readonly rightAt: string | undefined
  /** Number of the revision that this operator was making when it was last heard of. */
  readonly pendingRevision: number | undefined
  /** Remembers this number for later calls, before helm makes a revision of it; null: that revision is somebody else's. */
  readonly rememberPending: (revision: number | null) => Promise<void>
}

/**
 * Has helm make releases, whatever state it finds them in, but for those that somebody else has in hand. Throws ReleaseRefusal,
 * ReleaseFailure, HelmError and KubeError.
 */
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

  /** Makes the release what is wanted. Where it is so already, helm writes nothing. */
  async deploy(
    name: ReleaseName,
    wanted: WantedRelease,
    signal: AbortSignal,
  ): Promise<{ readonly release: Release; readonly changed: boolean }> {
    const { chart, values } = wanted
    const current = await this.#current(name, wanted, signal)
    if (current && isRight(current, wanted)) return { release: current, changed: false }
    return failingAs(current ? 'UpgradeError' : 'InstallError', async () => {
      // What cannot even be planned must not leave a failed revision for every try.
      const planned = await this.#helm.plan(name, chart, values, signal)
      if (current && isDeployed(current, planned)) return { release: current, changed: false }
      await wanted.rememberPending(planned.version)
      this.#log.info({ release: name }, current ? 'upgrading' : 'installing')
      try {
        return { release: await this.#helm.upgrade(name, chart, values, signal), changed: true }
      } catch (error) {
        // another helm came first
        if (error instanceof HelmError && IN_PROGRESS.test(error.message)) await wanted.rememberPending(null)
        throw error
      }
    })
  }

  /** Name of the chart of the release, where it is none of these; undefined where it is one of them, or there is no release. */
  async foreignChart(
    name: ReleaseName,
    chartNames: readonly string[],
    signal: AbortSignal,
  ): Promise<string | undefined> {
    try {
      const chart = await this.#helm.chartName(name, signal)
      return chartNames.includes(chart) ? undefined : chart
    } catch (error) {
      if (error instanceof HelmError && error.code === 'NotFound') return undefined
      throw error
    }
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
  async #current(
    name: ReleaseName,
    wanted: WantedRelease,
    signal: AbortSignal,
  ): Promise<Release | undefined> {
    for (;;) {
      const current = await this.#helm.status(name, signal)
      if (!current || isRight(current, wanted)) return current
      const foreign = await this.foreignChart(name, wanted.chartNames, signal)
      if (foreign !== undefined) throw ReleaseRefusal.foreign(name, foreign)
      if (current.info.status === 'uninstalling') {
        await this.uninstall(name, signal)
      } else if (isPending(current)) {
        const { version: revision, info } = current
        const isOver = this.#client.now() - (begunAt(current) ?? 0) > ABANDONED_MS
        if (revision !== wanted.pendingRevision && !isOver)
          throw ReleaseRefusal.pending(current, ABANDONED_MS)
        this.#log.warn({ release: name, revision, status: info.status }, 'removing an unfinished revision')
        const secret = { name: storedAs(current), namespace: name.namespace }
        await unlessGone(() => this.#client.resource(SECRETS).delete(secret, { signal }))
      } else {
        return current
      }
    }
  }
}

/** It is known to be what is wanted. */
function isRight(current: Release, { rightAt }: WantedRelease): boolean {
  return current.info.status === 'deployed' && revisionOf(current) === rightAt
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
