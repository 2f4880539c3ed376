import { STATUS } from '../../api/messages.ts'
import { entryKey } from '../../api/node-images.ts'
import { RegistryError } from '../../oci/registry/index.ts'
import { fraction } from '../../base/backoff.ts'
import { type HandlerResult, type Logger, isKubeError } from '../../kube/index.ts'
import { type CompiledCache, nextRefresh, pullSecretNames } from '../../core/demand/index.ts'
import { findEntry } from '../../core/ledger/index.ts'
import { type TagAnswer, needsPull } from '../../core/plan/index.ts'
import type { AskedImage, TagResolver } from '../../state/tag-resolver.ts'
import type { ClusterState } from '../../state/cluster-state.ts'

/** Time for which an answer of a registry is used for all caches that want the image. */
const FRESH_MS = 2_000
/** Longest time between two looks at the schedule of a cache. */
const LOOK_MS = 60_000
/** How soon to look again at a cache that is due while an action runs. */
const BUSY_MS = 2_000
/** Missed refreshes are spread over this time, so that a restart does not ask all registries at once. */
const SPREAD_MS = 60_000
/** A refresh that was due in the last seconds of the old leader may have been interrupted. */
const BROKEN_OFF_MS = 60_000
/** Questions of one cache at the same time. The registry client has its own limit for each host. */
const QUESTIONS = 16

/** Longest time for the questions of one cache before other caches have their turn, in milliseconds. */
const TURN_MS = 5_000
/** Caches of one namespace that ask at the same time. */
const TURNS_OF_NAMESPACE = 2
/** How soon a cache tries again whose namespace has all its turns, in milliseconds. */
const TURN_LOOK_MS = 500
/** How soon images are asked about again whose registry had a hiccup, in milliseconds. */
const HICCUP_MS = 60_000

/** Answers that say nothing about the images of nodes. The next refresh asks again. */
const INCONCLUSIVE = new Set(['NotFound', 'RateLimited'])
/** Failures that pass by themselves, where the registry has answered before. */
const HICCUPS = new Set(['Timeout', 'Unavailable'])

/** What the refresher works with. */
export interface RefresherOptions {
  readonly cluster: ClusterState
  readonly tags: TagResolver
  /** In milliseconds, 0: never. */
  readonly frequencyMs: number
  /**
   * When another process last led, RFC 3339. Refreshes that were due since then are made up for.
   * Undefined where no process led before.
   */
  readonly ledBeforeAt?: string
  /** Called for each node that has to pull, and for the cache that it is for. */
  readonly onNeed: (nodeName: string, cacheKey: string) => void
  readonly log: Logger
}

/**
 * The controller of periodic refreshes. It asks the registry once for the digest of each moving tag,
 * and wakes only the nodes with another digest.
 * Where it cannot ask (no route, a private image), the nodes ask for themselves.
 */
export class Refresher {
  readonly #options: RefresherOptions
  readonly #refreshes = new Map<string, TagAnswer>()
  readonly #due = new Map<string, Date>()
  /** Images that the running refresh of a cache has still to ask about. */
  readonly #unasked = new Map<string, string[]>()
  /** Caches that ask now, by namespace. */
  readonly #turns = new Map<string, number>()
  /** Caches without a missed refresh. */
  readonly #caughtUp = new Set<string>()
  readonly #startedAt: number

  constructor(options: RefresherOptions) {
    this.#options = options
    this.#startedAt = options.cluster.now()
  }

  /** The answers of registries, by entry key, for the plan. */
  get refreshes(): ReadonlyMap<string, TagAnswer> {
    return this.#refreshes
  }

  /** Refreshes the cache `namespace/name` where it is due. Resolves to when to look again. */
  async reconcile(key: string, signal: AbortSignal): Promise<HandlerResult> {
    const cache = this.#options.cluster.compiled(key)
    if (cache?.activity !== 'active') {
      this.#due.delete(key)
      this.#unasked.delete(key)
      this.#caughtUp.delete(key)
      return {}
    }
    const now = new Date(this.#options.cluster.now())
    const due = earlier(this.#due.get(key), this.#missed(cache))
    let soon: Date | undefined
    if (due && due <= now) {
      // It stays due. The next time of a schedule may be tomorrow.
      if (cache.cache.status?.status === STATUS.processing) return { requeueAfterMs: BUSY_MS }
      const namespace = cache.cache.metadata.namespace ?? ''
      const turns = this.#turns.get(namespace) ?? 0
      if (turns >= TURNS_OF_NAMESPACE) return { requeueAfterMs: TURN_LOOK_MS }
      this.#turns.set(namespace, turns + 1)
      try {
        const hiccups = await this.#refresh(cache, signal)
        if (hiccups === undefined) return { requeueAfterMs: 1 }
        this.#caughtUp.add(key)
        if (hiccups.length > 0) {
          this.#unasked.set(key, hiccups)
          soon = new Date(this.#options.cluster.now() + HICCUP_MS)
        }
      } finally {
        this.#giveBackTurn(namespace)
      }
    }
    const regular = earlier(nextRefresh(cache.cache, this.#options.frequencyMs, now), this.#missed(cache))
    const next = earlier(regular, soon)
    if (!next) this.#due.delete(key)
    else this.#due.set(key, next)
    const wait = next ? next.getTime() - this.#options.cluster.now() : LOOK_MS
    return { requeueAfterMs: Math.min(Math.max(wait, 1), LOOK_MS) }
  }

  #giveBackTurn(namespace: string): void {
    const turns = (this.#turns.get(namespace) ?? 1) - 1
    if (turns > 0) this.#turns.set(namespace, turns)
    else this.#turns.delete(namespace)
  }

  /** When to make up for a refresh that was due while no controller led. Undefined where none was. */
  #missed({ cache, key }: CompiledCache): Date | undefined {
    const { ledBeforeAt, frequencyMs } = this.#options
    if (ledBeforeAt === undefined || this.#caughtUp.has(key)) return undefined
    const { uid = '', creationTimestamp } = cache.metadata
    const since = Math.max(Date.parse(ledBeforeAt) - BROKEN_OFF_MS, Date.parse(creationTimestamp ?? '') || 0)
    const due = cache.status?.status ? nextRefresh(cache, frequencyMs, new Date(since)) : undefined
    if (due && due.getTime() <= this.#startedAt) return new Date(this.#startedAt + fraction(uid) * SPREAD_MS)
    this.#caughtUp.add(key)
    return undefined
  }

  /**
   * Asks about the images of a cache and tells the nodes.
   * Undefined where its time is over before all are asked. Else the images whose registries had a hiccup.
   */
  async #refresh(cache: CompiledCache, signal: AbortSignal): Promise<string[] | undefined> {
    const { credential, key } = cache
    const pullSecrets = pullSecretNames(cache.cache).map(name => ({ name }))
    const waiting = this.#unasked.get(key) ?? movingImages(cache)
    const asked = waiting.length
    const hiccups: string[] = []
    const end = performance.now() + TURN_MS
    const workers = Array.from({ length: QUESTIONS }, async () => {
      while (performance.now() < end) {
        const image = waiting.pop()
        if (image === undefined) return
        if (await this.#ask({ image, credential, pullSecrets }, signal)) hiccups.push(image)
      }
    })
    await Promise.all(workers)
    if (waiting.length > 0) {
      this.#unasked.set(key, [...waiting, ...hiccups])
      return undefined
    }
    this.#unasked.delete(key)
    this.#forgetUnwanted()
    const nodes = this.#tell(cache)
    this.#options.log.info({ imageCache: key, asked, nodes }, 'refreshed')
    return hiccups
  }

  /** True where the registry had a hiccup: what nodes have stays, and the image is asked about again soon. */
  async #ask(asked: AskedImage, signal: AbortSignal): Promise<boolean> {
    const { tags } = this.#options
    const key = entryKey(asked)
    const known = this.#refreshes.get(key)
    const now = this.#options.cluster.now()
    if (known && now - Date.parse(known.at) < FRESH_MS) return false
    const at = new Date(now).toISOString()
    if (!tags.mayAsk(asked)) {
      // Only the kubelet may read the pull secret.
      this.#refreshes.set(key, { at })
      return false
    }
    try {
      this.#refreshes.set(key, await tags.resolve(asked, signal))
      return false
    } catch (error) {
      if (isKubeError(error) && !signal.aborted) {
        // A pull secret that cannot be read now says nothing about the image.
        this.#options.log.warn({ image: asked.image, err: error }, 'the registry was not asked')
        return true
      }
      if (!(error instanceof RegistryError)) throw error
      this.#options.log.info(
        { image: asked.image, code: error.code, reason: error.message },
        'the registry gave no digest',
      )
      // Where the controller has no route to the registry, nodes ask for themselves.
      if (HICCUPS.has(error.code) && tags.hasAnswered(asked)) return true
      if (!INCONCLUSIVE.has(error.code)) this.#refreshes.set(key, { at })
      return false
    }
  }

  /** Wakes the nodes that have to pull. Returns their number. */
  #tell(cache: CompiledCache): number {
    let nodes = 0
    for (const { metadata, spec, status } of this.#options.cluster.nodeImagesInformer.list()) {
      if (spec?.owners?.[cache.owner] === undefined) continue
      const ours = (spec.images ?? []).filter(
        image => image.pullPolicy === 'Always' && image.owners.includes(cache.owner),
      )
      const isNeedy = ours.some(image => {
        const key = entryKey(image)
        const refresh = this.#refreshes.get(key)
        return refresh !== undefined && needsPull(refresh, findEntry(status?.images ?? [], key))
      })
      if (!isNeedy) continue
      nodes += 1
      this.#options.onNeed(metadata.name, cache.key)
    }
    return nodes
  }

  #forgetUnwanted(): void {
    const wanted = new Set(
      this.#options.cluster
        .compiledCaches()
        .flatMap(({ credential, lists }) =>
          lists.flatMap(list => list.wanted.map(({ image }) => entryKey({ image, credential }))),
        ),
    )
    for (const key of this.#refreshes.keys()) if (!wanted.has(key)) this.#refreshes.delete(key)
  }
}

/** Images of a cache whose tags may move. */
function movingImages({ lists }: CompiledCache): string[] {
  const moving = lists.flatMap(({ wanted }) => wanted.filter(({ pullPolicy }) => pullPolicy === 'Always'))
  return [...new Set(moving.map(({ image }) => image))]
}

function earlier(a: Date | undefined, b: Date | undefined): Date | undefined {
  if (!a || !b) return a ?? b
  return a < b ? a : b
}
