import { isPermanent } from '../../api/failure-reasons.ts'
import { type LedgerEntry, type NodeImages, entryKey } from '../../api/node-images.ts'
import { fraction } from '../../base/backoff.ts'
import { isSliceOver, nextTurn } from '../../base/time-slice.ts'
import { type CompiledCache, nextRefresh } from '../../core/demand/index.ts'
import { findEntry, hasPullFailed, isPresent } from '../../core/ledger/index.ts'
import { type Change, type HandlerResult, type Logger, isKubeError } from '../../kube/index.ts'
import { RegistryError, withDeadline } from '../../oci/registry/index.ts'
import type { ClusterState } from '../../state/cluster-state.ts'
import type { RetryCalls } from '../../state/retry-calls.ts'
import type { AskedImage, TagResolver } from '../../state/tag-resolver.ts'

/** Longest time until a failed image is asked about again, also for caches without a periodic refresh. */
const LONGEST_MS = 3_600_000
/** Nodes that try an image for themselves, each period, where the controller learns nothing. */
const TRIALS = 10
/** The same for an image with pull secrets: bad credentials may lock an account. */
const TRIALS_WITH_SECRET = 1
/** Images of one cache that registries are asked about, each period. The others have their turn next. */
const MAX_QUESTIONS = 64
/** Questions of one cache at the same time. */
const WORKERS = 4
/** Longest time for the questions of one cache, in milliseconds. */
const PATIENCE_MS = 30_000

/** What the healer works with. */
export interface HealerOptions {
  readonly cluster: ClusterState
  readonly tags: TagResolver
  readonly calls: RetryCalls
  /** The period of refreshes, in milliseconds. 0: none. */
  readonly frequencyMs: number
  /** Called for each node that tries again. */
  readonly wake: (nodeName: string) => void
  readonly log: Logger
}

/** An image that failed for good on some nodes. */
interface FailedImage {
  readonly asked: AskedImage
  readonly nodes: string[]
}

/**
 * The controller of failures that are permanent for their action, such as a missing image or a refused
 * secret. Somebody may mend them: push the image, renew the token, end the outage.
 * Once per refresh period it asks the registry about each failed image. Where the registry has it, all nodes
 * try again. Where it cannot tell, a few nodes try, and when one of them succeeds, all do.
 */
export class Healer {
  readonly #options: HealerOptions
  /** When the failures of a cache are looked at next, in milliseconds since the epoch. */
  readonly #due = new Map<string, number>()
  #round = 0

  constructor(options: HealerOptions) {
    this.#options = options
    options.cluster.nodeImagesInformer.subscribe(change => this.#noteSuccess(change))
  }

  /** Looks at the failures of the cache `namespace/name` where they are due. */
  async reconcile(key: string, signal: AbortSignal): Promise<HandlerResult> {
    const { cluster } = this.#options
    const cache = cluster.compiled(key)
    const hasFailed = Object.keys(cache?.cache.status?.failures ?? {}).length > 0
    if (cache?.activity !== 'active' || !hasFailed) {
      this.#due.delete(key)
      return {}
    }
    const now = cluster.now()
    const due = this.#due.get(key) ?? now + this.#period(cache, now)
    if (due > now) {
      this.#due.set(key, due)
      return { requeueAfterMs: due - now }
    }
    this.#due.delete(key)
    await this.#heal(cache, signal)
    const next = this.#period(cache, cluster.now())
    this.#due.set(key, cluster.now() + next)
    return { requeueAfterMs: next }
  }

  /** Up to a fifth shorter than the refresh period, so that caches do not ask at the same moment. */
  #period({ cache }: CompiledCache, now: number): number {
    const next = nextRefresh(cache, this.#options.frequencyMs, new Date(now))
    const period = Math.min(next ? next.getTime() - now : LONGEST_MS, LONGEST_MS)
    return period * (1 - 0.2 * fraction(`${cache.metadata.uid} ${this.#round}`))
  }

  async #heal(cache: CompiledCache, signal: AbortSignal): Promise<void> {
    const failed = await this.#failedImages(cache, signal)
    if (failed.length === 0) return
    this.#round += 1
    const start = (this.#round * MAX_QUESTIONS) % failed.length
    const waiting = [...failed.slice(start), ...failed.slice(0, start)].slice(0, MAX_QUESTIONS)
    const asked = waiting.length
    let there = 0
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)])
    const worker = async () => {
      for (let image = waiting.pop(); image && !deadline.aborted; image = waiting.pop()) {
        if (await this.#isThere(image.asked, deadline)) {
          there += 1
          this.#callAll(entryKey(image.asked), image.nodes)
        } else this.#callSome(image)
      }
    }
    await Promise.all(Array.from({ length: WORKERS }, worker))
    signal.throwIfAborted()
    const fields = { imageCache: cache.key, failed: failed.length, asked, there }
    this.#options.log.info(fields, 'asked about failed images again')
  }

  /** True where the registry has the image for everybody. False where it has not, or where it cannot tell. */
  async #isThere(asked: AskedImage, signal: AbortSignal): Promise<boolean> {
    const { tags, log } = this.#options
    if (!tags.mayAsk(asked)) return false
    try {
      await withDeadline(asked.image, PATIENCE_MS, signal, inTime => tags.resolve(asked, inTime))
      return true
    } catch (error) {
      if (!(error instanceof RegistryError || isKubeError(error)) && !signal.aborted) throw error
      log.debug({ image: asked.image, err: error }, 'the registry does not show a failed image')
      return false
    }
  }

  /** The images of a cache that failed for good, with the nodes on which they did. */
  async #failedImages(cache: CompiledCache, signal: AbortSignal): Promise<FailedImage[]> {
    const found = new Map<string, FailedImage>()
    const all = [...this.#options.cluster.nodeImagesInformer.list()]
    for (const { metadata, spec, status } of all) {
      if ((status?.counts?.failed ?? 0) === 0) continue
      while (isSliceOver()) await nextTurn()
      signal.throwIfAborted()
      for (const entry of (status?.images ?? []).filter(hasFailedForGood)) {
        const key = entryKey(entry)
        const desired = findEntry(spec?.images ?? [], key)
        if (!desired?.owners.includes(cache.owner)) continue
        const image = found.get(key) ?? { asked: desired, nodes: [] }
        image.nodes.push(metadata.name)
        found.set(key, image)
      }
    }
    return [...found.values()]
  }

  #callAll(key: string, nodes: readonly string[]): void {
    const { calls, cluster, wake } = this.#options
    calls.callAll(key, new Date(cluster.now()).toISOString())
    for (const node of nodes) wake(node)
  }

  /** Other nodes each period: the cause may lie with a node. */
  #callSome({ asked, nodes }: FailedImage): void {
    const { calls, cluster, wake } = this.#options
    const trials = asked.credential === undefined ? TRIALS : TRIALS_WITH_SECRET
    const start = (this.#round * trials) % nodes.length
    for (const node of [...nodes.slice(start), ...nodes.slice(0, start)].slice(0, trials)) {
      calls.callNode(node, entryKey(asked), new Date(cluster.now()).toISOString())
      wake(node)
    }
  }

  /** A node could pull what failed for good before: the others try again, too. */
  #noteSuccess({ type, object, previous }: Change<NodeImages>): void {
    if (type !== 'updated' || (previous?.status?.counts?.failed ?? 0) === 0) return
    for (const before of (previous?.status?.images ?? []).filter(hasFailedForGood)) {
      const key = entryKey(before)
      const entry = findEntry(object.status?.images ?? [], key)
      if (!entry || hasPullFailed(entry) || !isPresent(entry)) continue
      const { finishedAt = '' } = before.attempt ?? {}
      // Where all are called since that failure, this success is one of the answers.
      const called = this.#options.calls.calledAt('', key)
      if (called === undefined || Date.parse(called) < Date.parse(finishedAt)) this.#callOthers(key)
    }
  }

  #callOthers(key: string): void {
    const failing = [...this.#options.cluster.nodeImagesInformer.list()].filter(({ status }) => {
      if ((status?.counts?.failed ?? 0) === 0) return false
      const entry = findEntry(status?.images ?? [], key)
      return entry !== undefined && hasFailedForGood(entry)
    })
    this.#callAll(
      key,
      failing.map(({ metadata }) => metadata.name),
    )
  }
}

function hasFailedForGood(entry: LedgerEntry): boolean {
  return hasPullFailed(entry) && isPermanent(entry.attempt?.reason)
}
