import { isKubeError, type KubeClient, type Logger } from '../../kube/index.ts'
import { HelmError } from './helm-error.ts'
import type { Helm, ReleaseName } from './helm.ts'
import type { ManifestClient } from './manifest-client.ts'
import { manifestObjects } from './manifest.ts'
import { ReleaseRefusal } from './release-refusal.ts'
import { begunAt, isDeployed, isPending, type Release, revisionOf, storedAs } from './release.ts'

const SECRETS = { group: '', version: 'v1', plural: 'secrets', kind: 'Secret', namespaced: true } as const
const HOOK_ANNOTATION = 'helm.sh/hook'
/** Helm's message where it finds a pending revision. Helm then creates no revision. */
const IN_PROGRESS = /another operation .* is in progress/
/**
 * Greatest time of a helm operation: three waits of 5 minutes, for hooks before, for objects, and for hooks
 * after.
 */
const ABANDONED_MS = 900_000

/** An operation of helm failed. The message is helm's own. */
export class ReleaseFailure extends Error {
  override readonly name = 'ReleaseFailure'
  readonly code: 'InstallError' | 'UpgradeError' | 'UninstallError'

  constructor(code: ReleaseFailure['code'], cause: HelmError) {
    super(cause.message, { cause })
    this.code = code
  }
}

/** The wanted release, and facts about the current one. */
export interface WantedRelease {
  /** Path of the chart. */
  readonly chart: string
  /** Names of charts whose releases may be changed. */
  readonly chartNames: readonly string[]
  readonly values: unknown
  /** The revision that is known to be correct, as `revisionOf` names it. */
  readonly correctRevision: string | undefined
  /** Number of the revision that this operator started last and that may be unfinished. */
  readonly pendingRevision: number | undefined
  /**
   * Stores the number of the revision that helm is about to create, for later calls.
   * null: the pending revision belongs to somebody else.
   */
  readonly rememberPending: (revision: number | null) => Promise<void>
}

/**
 * Deploys and uninstalls releases with helm, from any state of the release.
 * It leaves alone a release that somebody else manages.
 * Throws ReleaseRefusal, ReleaseFailure, HelmError and KubeError.
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

  /** Installs or upgrades the release. Where it is correct already, helm writes nothing. */
  async deploy(
    name: ReleaseName,
    wanted: WantedRelease,
    signal: AbortSignal,
  ): Promise<{ readonly release: Release; readonly changed: boolean }> {
    const { chart, values } = wanted
    const current = await this.#current(name, wanted, signal)
    if (current && isCorrect(current, wanted)) return { release: current, changed: false }
    return failingAs(current ? 'UpgradeError' : 'InstallError', async () => {
      // The plan finds errors without a revision. Else each try would leave a failed revision.
      const planned = await this.#helm.plan(name, chart, values, signal)
      if (current && isDeployed(current, planned)) return { release: current, changed: false }
      await wanted.rememberPending(planned.version)
      this.#log.info({ release: name }, current ? 'upgrading' : 'installing')
      try {
        return { release: await this.#helm.upgrade(name, chart, values, signal), changed: true }
      } catch (error) {
        // Another helm started first, so the pending revision is not this operator's.
        if (error instanceof HelmError && IN_PROGRESS.test(error.message)) await wanted.rememberPending(null)
        throw error
      }
    })
  }

  /**
   * Name of the release's chart, where it is not one of `chartNames`.
   * Undefined where it is one of them, or where the release does not exist.
   */
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

  /**
   * Uninstalls the release and resolves when its objects are deleted.
   * Objects of hooks are deleted too: helm leaves them where a hook failed.
   */
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

  /** The stored release, after the cleanup of an operation that a crash interrupted. */
  async #current(
    name: ReleaseName,
    wanted: WantedRelease,
    signal: AbortSignal,
  ): Promise<Release | undefined> {
    for (;;) {
      const current = await this.#helm.status(name, signal)
      if (!current || isCorrect(current, wanted)) return current
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

/** True where the release is known to be correct. */
function isCorrect(current: Release, { correctRevision }: WantedRelease): boolean {
  return current.info.status === 'deployed' && revisionOf(current) === correctRevision
}

/** Runs a deletion. A missing object or a missing kind is no error. */
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
