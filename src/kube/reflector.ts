import { JitteredBackoff } from '../base/jittered-backoff.ts'
import type { Logger } from '../base/logger.ts'
import { isKubeError, KubeError } from './errors.ts'
import type { InformerTiming } from './informer-options.ts'
import type { KubeObject } from './object.ts'
import type { Replica } from './replica.ts'
import type { Resource, Selection, WatchOptions } from './resource.ts'
import { sleep } from './wait.ts'

const PAGE_SIZE = 500
const BACKOFF_BASE_MS = 200
const BACKOFF_CAP_MS = 30_000
/** A watch that ends earlier than this without an event counts as failed (client-go: "very short watch"). */
const SHORT_WATCH_MS = 1000
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end'

/** What a reflector works with. */
export interface ReflectorOptions {
  readonly resource: Resource<KubeObject>
  readonly selection: Selection
  readonly replica: Pick<Replica<KubeObject>, 'apply' | 'progress' | 'startList'>
  readonly timing: InformerTiming
  /** Called after each full list. */
  readonly onList: () => void
  readonly log: Logger
}

/**
 * Lists and watches a collection and gives what it reads to a replica. Follows client-go's reflector.
 *
 * It starts with a watch-list (KEP-3157), or with a paged LIST where the server gives no watch-list. Then it
 * watches from the last resourceVersion. It lists again after 410 Gone, and when the server does not know that
 * version any more because etcd was restored from a backup.
 */
export class Reflector {
  readonly #options: ReflectorOptions
  readonly #backoff = new JitteredBackoff(BACKOFF_BASE_MS, BACKOFF_CAP_MS)
  /** Time of the last activity, on the monotonic clock. */
  #activeAt = performance.now()
  #needsList = true
  /** The next list comes in pages. The one after it is tried as a watch-list again. */
  #usePages = false

  constructor(options: ReflectorOptions) {
    this.#options = options
  }

  /** Milliseconds since the last activity: an event, a bookmark or a retry. */
  get inactiveMs(): number {
    return performance.now() - this.#activeAt
  }

  /** Lists and watches until the signal fires. Call it once. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#activeAt = performance.now()
      try {
        await this.#listAndWatch(signal)
      } catch (error) {
        if (signal.aborted) return
        await this.#recover(error, signal)
      }
    }
  }

  async #listAndWatch(signal: AbortSignal): Promise<void> {
    const { progress } = this.#options.replica
    if (!this.#needsList && progress !== undefined) {
      await this.#watchFrom(progress, signal)
    } else if (this.#usePages) {
      this.#usePages = false
      await this.#listPages(signal)
    } else {
      await this.#watchFromList(signal)
    }
  }

  async #listPages(signal: AbortSignal): Promise<void> {
    const { resource, replica, selection } = this.#options
    const listing = replica.startList()
    let next: string | undefined
    let resourceVersion = ''
    do {
      const page = await resource.list({ ...selection, limit: PAGE_SIZE, continue: next, signal })
      for (const object of page.items) listing.add({ type: 'ADDED', object })
      resourceVersion = page.resourceVersion
      next = page.continue
    } while (next !== undefined)
    listing.finish(resourceVersion)
    this.#listed()
  }

  /** A watch that starts with the full collection. */
  async #watchFromList(signal: AbortSignal): Promise<void> {
    const { resource, replica, timing } = this.#options
    const ignored = new AbortController()
    const timer = setTimeout(() => ignored.abort(), timing.initialSilenceMs)
    const listing = replica.startList()
    let isListed = false
    try {
      const events = resource.watch({
        ...this.#watchOptions(AbortSignal.any([signal, ignored.signal])),
        sendInitialEvents: true,
      })
      for await (const event of events) {
        if (isListed) {
          this.#apply(event)
        } else if (event.type !== 'BOOKMARK') {
          timer.refresh()
          listing.add(event)
        } else if (event.object.metadata.annotations?.[INITIAL_EVENTS_END] === 'true') {
          clearTimeout(timer)
          listing.finish(event.object.metadata.resourceVersion ?? '')
          this.#listed()
          isListed = true
        } else {
          this.#fallBack('a bookmark came before the end of the initial events')
          return
        }
      }
      if (!isListed)
        throw new KubeError('Unreachable', 'the watch ended before the end of its initial events')
    } catch (error) {
      if (signal.aborted || isListed) throw error
      if (ignored.signal.aborted) this.#fallBack('no initial events came')
      else if (isKubeError(error, 'BadRequest', 'Invalid')) this.#fallBack(error.message)
      else throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async #watchFrom(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { resource, timing } = this.#options
    const startedAt = performance.now()
    let events = 0
    try {
      for await (const event of resource.watch({ ...this.#watchOptions(signal), resourceVersion })) {
        events++
        this.#apply(event)
      }
    } catch (error) {
      // A server whose versions are older than ours sends neither events nor bookmarks.
      const isSilent = events === 0 && performance.now() - startedAt >= timing.silenceMs
      if (isSilent && isKubeError(error, 'Timeout')) this.#needsList = true
      throw error
    }
    if (events === 0 && performance.now() - startedAt < SHORT_WATCH_MS) {
      throw new KubeError('Unreachable', `the watch of ${resource.def.plural} ended at once`)
    }
  }

  #watchOptions(signal: AbortSignal): WatchOptions {
    const { selection, timing } = this.#options
    return {
      ...selection,
      signal,
      timeoutSeconds: Math.ceil(timing.watchSeconds * (1 + Math.random())),
      silenceTimeoutMs: timing.silenceMs,
    }
  }

  #apply(event: Parameters<Replica<KubeObject>['apply']>[0]): void {
    this.#activeAt = performance.now()
    this.#options.replica.apply(event)
    this.#backoff.reset()
  }

  #listed(): void {
    this.#needsList = false
    this.#options.onList()
  }

  #fallBack(why: string): void {
    this.#usePages = true
    this.#options.log.info(this.#fields({ why }), 'the API server gives no watch-list: listing in pages')
  }

  async #recover(error: unknown, signal: AbortSignal): Promise<void> {
    const { log } = this.#options
    if (isKubeError(error, 'Gone') || isFromTheFuture(error)) {
      this.#needsList = true
      log.info(
        this.#fields({ reason: error.message }),
        'the resourceVersion cannot be watched any more: listing again',
      )
    } else {
      log.warn(this.#fields({ err: error }), 'watch failed')
    }
    try {
      await sleep(this.#backoff.next(), signal)
    } catch (error) {
      if (!isKubeError(error, 'Aborted', 'LeaseLost')) throw error
    }
  }

  #fields(more: object): object {
    return { resource: this.#options.resource.def.plural, ...more }
  }
}

/** True where the API server does not know our resourceVersion yet: etcd was restored from a backup. */
function isFromTheFuture(error: unknown): error is KubeError {
  return isKubeError(error) && /too large resource version/i.test(error.message)
}
