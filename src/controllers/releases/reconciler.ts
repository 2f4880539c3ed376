import {
  type EventRecorder,
  isKubeError,
  type KubeClient,
  type Logger,
  mergePatchOf,
  type Resource,
} from '../../kube/index.ts'
import { JitteredBackoff } from '../../base/jittered-backoff.ts'
import { DriftRepair } from './drift.ts'
import { HelmError } from './helm-error.ts'
import type { Helm, ReleaseName } from './helm.ts'
import { FINALIZER, isKept, otherFinalizers, type ReleaseKind, type ReleaseObject } from './kind.ts'
import { ManifestClient } from './manifest-client.ts'
import type { ReleaseObjects } from './objects.ts'
import { type Release, revisionOf } from './release.ts'
import { ReleaseRefusal } from './release-refusal.ts'
import { ReleaseFailure, Releaser } from './releaser.ts'
import { type Failure, type Outcome, statusAfter } from './status.ts'

/** Delay after a failure: at first, and at most. */
const RETRY_BASE_MS = 5_000
const RETRY_CAP_MS = 300_000
/** Time between two checks whether a release may be uninstalled. */
const BLOCKER_LOOK_MS = 2_000
/** Greatest time that an uninstall waits for its blocker. */
const MAX_BLOCKED_MS = 900_000

/** What the reconciler works with. */
export interface ReconcilerOptions {
  readonly kind: ReleaseKind
  readonly client: KubeClient
  readonly helm: Helm
  readonly objects: ReleaseObjects
  readonly events: EventRecorder
  readonly log: Logger
  /** Time between two comparisons of a correct release with the cluster, in milliseconds. */
  readonly periodMs: number
}

/**
 * Memory about one generation of an object.
 * A restart loses nothing, because all of it can be found out again.
 */
interface Memory {
  readonly generation: number | undefined
  readonly failures: JitteredBackoff
  /** The revision that matches the spec, as `revisionOf` names it. */
  correctRevision?: string
}

/** The running deploy of an object. */
interface Work {
  readonly generation: number | undefined
  readonly stop: AbortController
}

/** The controller of releases: it installs, upgrades, repairs and uninstalls the release of each object. */
export class ReleaseReconciler {
  readonly #options: ReconcilerOptions
  readonly #resource: Resource<ReleaseObject>
  readonly #releaser: Releaser
  readonly #drift: DriftRepair
  readonly #memory = new Map<string, Memory>()
  readonly #working = new Map<string, Work>()

  constructor(options: ReconcilerOptions) {
    const { client, helm, kind, log } = options
    this.#options = options
    this.#resource = client.resource<ReleaseObject>(kind.def)
    const inCluster = new ManifestClient(client)
    this.#releaser = new Releaser(helm, client, inCluster, log)
    this.#drift = new DriftRepair(inCluster)
  }

  /**
   * Stops helm's work for an older spec of the object.
   * Else a hook that never succeeds would delay the spec that corrects it.
   */
  supersede(key: string, { metadata }: ReleaseObject): void {
    const work = this.#working.get(key)
    if (work && work.generation !== metadata.generation) work.stop.abort()
  }

  /** Reconciles the object with this key, `namespace/name`. Throws KubeError. */
  async reconcile(key: string, signal: AbortSignal): Promise<{ requeueAfterMs?: number }> {
    const object = this.#options.objects.get(key)
    if (!object) {
      this.#memory.delete(key)
      return {}
    }
    const memory = this.#remember(key, object)
    try {
      const requeueAfterMs = object.metadata.deletionTimestamp
        ? await this.#uninstall(object, signal)
        : await this.#deploy(key, object, memory, signal)
      memory.failures.reset()
      return requeueAfterMs === undefined ? {} : { requeueAfterMs }
    } catch (error) {
      if (error instanceof ObjectGone || (error instanceof HelmError && error.code === 'Aborted')) return {}
      const outcome = outcomeOf(error)
      if (!outcome) throw error
      const { type, reason, message } = outcome
      this.#options.log.warn({ key, type, reason, message }, 'the release is not as it should be')
      this.#options.events.record(object, 'Warning', type, message)
      await this.#report(object, outcome, signal)
      return { requeueAfterMs: memory.failures.next() }
    }
  }

  #remember(key: string, { metadata: { generation } }: ReleaseObject): Memory {
    const known = this.#memory.get(key)
    if (known && known.generation === generation) return known
    const memory = { generation, failures: new JitteredBackoff(RETRY_BASE_MS, RETRY_CAP_MS) }
    this.#memory.set(key, memory)
    return memory
  }

  async #deploy(key: string, object: ReleaseObject, memory: Memory, signal: AbortSignal): Promise<number> {
    const { kind, events, periodMs } = this.#options
    const name = nameOf(object)
    const work: Work = { generation: object.metadata.generation, stop: new AbortController() }
    this.#working.set(key, work)
    try {
      if (!isKept(object)) await this.#setFinalizers(object, [...otherFinalizers(object), FINALIZER], signal)
      const wanted = {
        chart: kind.chart,
        chartNames: kind.chartNames,
        values: object.spec ?? {},
        correctRevision: memory.correctRevision,
        pendingRevision: object.status?.pendingRevision,
        rememberPending: (pendingRevision: number | null) =>
          this.#write(object, { status: { pendingRevision } }, { subresource: 'status', signal }),
      }
      const superseded = AbortSignal.any([signal, work.stop.signal])
      const { release, changed } = await this.#releaser.deploy(name, wanted, superseded)
      memory.correctRevision = revisionOf(release)
      if (changed) events.record(object, 'Normal', 'Deployed', deployed(release).message)
      await this.#repair(object, release, signal)
      await this.#report(object, deployed(release), signal)
      return periodMs
    } finally {
      this.#working.delete(key)
    }
  }

  async #repair(object: ReleaseObject, release: Release, signal: AbortSignal): Promise<void> {
    const repaired = await this.#drift.repair(nameOf(object), release.manifest, signal)
    if (repaired.length === 0) return
    const message = `put back what was changed or deleted: ${repaired.join(', ')}`
    this.#options.log.info({ release: nameOf(object) }, message)
    this.#options.events.record(object, 'Normal', 'Repaired', message)
  }

  /** Returns the time until the next check, in milliseconds. Undefined where the release is uninstalled. */
  async #uninstall(object: ReleaseObject, signal: AbortSignal): Promise<number | undefined> {
    const { kind, client, log } = this.#options
    if (!isKept(object)) return undefined
    const name = nameOf(object)
    const foreign = await this.#releaser.foreignChart(name, kind.chartNames, signal)
    if (foreign !== undefined) {
      log.info({ release: name, chart: foreign }, 'the release is of another chart: it stays')
      await this.#setFinalizers(object, otherFinalizers(object), signal)
      return undefined
    }
    const blocker = await kind.holdsUp(client, signal)
    const waitedMs = client.now() - Date.parse(object.metadata.deletionTimestamp ?? '')
    if (blocker !== undefined && waitedMs < MAX_BLOCKED_MS) {
      await this.#report(object, { type: 'Uninstalling', message: blocker }, signal)
      return BLOCKER_LOOK_MS
    }
    await this.#releaser.uninstall(name, signal)
    this.#drift.forget(name)
    log.info({ release: name }, 'uninstalled')
    if (await this.#isLast(object, signal)) await kind.afterLast(client, { signal, log })
    await this.#setFinalizers(object, otherFinalizers(object), signal)
    return undefined
  }

  /**
   * True where all other objects are being deleted too.
   * Several objects that are deleted at the same time may all count as the last one.
   */
  async #isLast({ metadata: { uid } }: ReleaseObject, signal: AbortSignal): Promise<boolean> {
    const all = await this.#options.objects.listNow(signal)
    return all.every(({ metadata }) => metadata.uid === uid || metadata.deletionTimestamp !== undefined)
  }

  async #setFinalizers(
    object: ReleaseObject,
    finalizers: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    const { resourceVersion } = object.metadata
    const patch = { metadata: { finalizers, resourceVersion } }
    await this.#write(object, patch, { signal })
  }

  async #report(object: ReleaseObject, outcome: Outcome, signal: AbortSignal): Promise<void> {
    const { client, objects } = this.#options
    const { status } = objects.get(`${object.metadata.namespace}/${object.metadata.name}`) ?? object
    const next = statusAfter(status, object.metadata.generation, outcome, new Date(client.now()))
    const patch = mergePatchOf({ status: status ?? {} }, { status: next })
    if (patch === undefined) return
    await this.#write(object, patch, { subresource: 'status', signal })
  }

  /** Throws ObjectGone, and KubeError. */
  async #write(
    object: ReleaseObject,
    patch: unknown,
    options: Parameters<Resource<ReleaseObject>['mergePatch']>[2],
  ): Promise<void> {
    try {
      this.#options.objects.put(await this.#resource.mergePatch(nameOf(object), patch, options))
    } catch (error) {
      throw isKubeError(error, 'NotFound') ? new ObjectGone() : error
    }
  }
}

/** The object was deleted meanwhile, so there is nothing to report. The watch delivers the deletion. */
class ObjectGone extends Error {
  override readonly name = 'ObjectGone'
}

/**
 * What an error means for the release. Undefined where it means nothing:
 * the object was changed meanwhile, or the process ends.
 */
function outcomeOf(error: unknown): Failure | undefined {
  if (error instanceof ReleaseFailure) {
    return { type: 'ReleaseFailed', reason: error.code, message: error.message }
  }
  if (error instanceof ReleaseRefusal) {
    return { type: 'Irreconcilable', reason: error.code, message: error.message }
  }
  if (isKubeError(error, 'Aborted', 'Conflict')) return undefined
  const message = error instanceof Error ? error.message : String(error)
  return { type: 'Irreconcilable', reason: 'ReconcileError', message }
}

function deployed({ name, version }: Release): Outcome & { readonly type: 'Deployed' } {
  return {
    type: 'Deployed',
    reason: version === 1 ? 'InstallSuccessful' : 'UpgradeSuccessful',
    message: `revision ${version} of the release ${name} is deployed`,
    release: { name, revision: version },
  }
}

function nameOf({ metadata }: ReleaseObject): ReleaseName {
  return { name: metadata.name, namespace: metadata.namespace ?? '' }
}
