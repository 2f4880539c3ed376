import type { KubeObject } from './object.ts'
import type { KubeClient } from './client.ts'
import { isKubeError } from './errors.ts'
import { FairQueue } from '../base/fair-queue.ts'
import { type Logger, silentLogger } from '../base/logger.ts'
import { LruMap } from '../base/lru-map.ts'
import type { Resource, ResourceDef } from './resource.ts'
import { TokenBucket } from './token-bucket.ts'
import { abortedError, orAborted } from './wait.ts'

/** core/v1 Event, with the fields that are written here. */
export interface CoreEvent extends KubeObject {
  readonly involvedObject: {
    readonly apiVersion?: string
    readonly kind?: string
    readonly namespace?: string
    readonly name: string
    readonly uid?: string
  }
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
  readonly source: { readonly component: string; readonly host?: string }
  readonly reportingComponent: string
  readonly reportingInstance?: string
  readonly firstTimestamp: string
  readonly lastTimestamp: string
  readonly count: number
}

/** Resource of core/v1 Events. */
export const EVENTS: ResourceDef = {
  group: '',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  namespaced: true,
}

/** One Event, with the changes that are not yet written to the API server. */
interface Entry {
  readonly event: Omit<CoreEvent, 'count' | 'lastTimestamp'>
  count: number
  lastTimestamp: string
  created: boolean
}

/**
 * Values of client-go: number of Events and objects that are remembered, and the rate limit of Events per
 * object.
 */
const CACHE_SIZE = 4096
const OBJECT_BURST = 25
const OBJECT_QPS = 1 / 300
/**
 * Rate limit of Events per namespace. The API server keeps an Event for an hour, so this bounds what one
 * namespace costs it: about 4 000 Events. The burst is for the many objects of one namespace at a start.
 */
const NAMESPACE_BURST = 500
const NAMESPACE_QPS = 1
/** Events that wait to be written, of all namespaces. */
const QUEUE_SIZE = 1000
/** The API server refuses a longer message or name. */
const MAX_MESSAGE_LENGTH = 1024
const MAX_NAME_LENGTH = 253

/**
 * Records Events about objects. Repeats of an event (same object, type, reason, message) raise the count of
 * one Event. An object gets 25 Events at once, then one per five minutes, as in client-go. A namespace gets 500
 * at once, then one per second. Events are written in turn for each namespace. Recording does not wait and does
 * not fail. A failed write is logged.
 */
export class EventRecorder {
  readonly #events: Resource<CoreEvent>
  readonly #component: string
  readonly #instance: string | undefined
  readonly #log: Logger
  readonly #known = new LruMap<string, Entry>(CACHE_SIZE)
  readonly #limits = new LruMap<string, TokenBucket>(CACHE_SIZE)
  readonly #namespaceLimits = new LruMap<string, TokenBucket>(CACHE_SIZE)
  readonly #pending = new FairQueue<Entry>(QUEUE_SIZE)
  #pump: Promise<void> | undefined
  #dropped = 0

  constructor(client: KubeClient, options: { component: string; instance?: string; log?: Logger }) {
    this.#events = client.resource<CoreEvent>(EVENTS)
    this.#component = options.component
    this.#instance = options.instance
    this.#log = options.log ?? silentLogger
  }

  /** Events dropped so far: over a limit, queue full, or write failed. */
  get dropped(): number {
    return this.#dropped
  }

  /**
   * Records an event of an object.
   *
   * @param reason one word in CamelCase
   * @param message a sentence for people, cut at 1024 characters
   */
  record(object: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { apiVersion, kind, metadata } = object
    const identity = [apiVersion, kind, metadata.namespace, metadata.name, metadata.uid]
    const limit = this.#limits.getOrMake(identity.join('\0'), () => new TokenBucket(OBJECT_QPS, OBJECT_BURST))
    const namespaceLimit = this.#namespaceLimits.getOrMake(
      metadata.namespace ?? '',
      () => new TokenBucket(NAMESPACE_QPS, NAMESPACE_BURST),
    )
    if (!limit.tryTake() || !namespaceLimit.tryTake()) {
      this.#drop(reason, metadata, 'over the limit of the object or of its namespace')
      return
    }
    const text = cut(message, MAX_MESSAGE_LENGTH)
    const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
    const entry = this.#known.getOrMake([...identity, type, reason, text].join('\0'), () => ({
      event: this.#event(object, type, reason, text, now),
      count: 0,
      lastTimestamp: now,
      created: false,
    }))
    entry.count++
    entry.lastTimestamp = now
    const lost = this.#pending.add(metadata.namespace ?? '', entry)
    if (lost) this.#drop(lost.event.reason, lost.event.involvedObject, 'too many wait to be written')
    this.#pump ??= this.#writePending()
  }

  /**
   * Resolves when each recorded Event is written or dropped. Rejects with KubeError `Aborted` when the signal
   * fires first.
   */
  async flush(signal: AbortSignal): Promise<void> {
    while (this.#pump !== undefined) {
      if (signal.aborted) throw abortedError(signal, 'flush of events')
      await orAborted(this.#pump, signal, 'flush of events')
    }
  }

  async #writePending(): Promise<void> {
    // Collect the events that the caller records in the same turn.
    await Promise.resolve()
    for (let entry = this.#pending.take(); entry; entry = this.#pending.take()) {
      try {
        await this.#write(entry)
      } catch (error) {
        this.#dropped++
        this.#log.warn({ err: error, reason: entry.event.reason }, 'cannot write an event')
        // All others have the same error.
        if (isKubeError(error, 'LeaseLost')) this.#dropped += this.#pending.clear()
      }
    }
    this.#pump = undefined
  }

  #drop(reason: string, object: { readonly name: string; readonly namespace?: string }, why: string): void {
    this.#dropped++
    this.#log.debug({ reason, namespace: object.namespace, object: object.name, why }, 'event dropped')
  }

  async #write(entry: Entry): Promise<void> {
    const { count, lastTimestamp } = entry
    if (entry.created) {
      try {
        await this.#events.mergePatch(entry.event.metadata, { count, lastTimestamp })
        return
      } catch (error) {
        // The API server deletes an Event after an hour. Create it again under the same name.
        if (!isKubeError(error, 'NotFound')) throw error
      }
    }
    try {
      await this.#events.create({ ...entry.event, count, lastTimestamp })
    } catch (error) {
      if (!isKubeError(error, 'AlreadyExists')) throw error
      await this.#events.mergePatch(entry.event.metadata, { count, lastTimestamp })
    }
    entry.created = true
  }

  #event(
    object: KubeObject,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
    now: string,
  ): Entry['event'] {
    const { namespace, name, uid } = object.metadata
    // Unique without a request. client-go uses the time in nanoseconds.
    const suffix = `.${BigInt(Date.now()).toString(16)}${Math.floor(Math.random() * 2 ** 32).toString(16)}`
    return {
      metadata: {
        namespace: namespace ?? 'default',
        name: name.slice(0, MAX_NAME_LENGTH - suffix.length) + suffix,
      },
      involvedObject: {
        ...(object.apiVersion === undefined ? {} : { apiVersion: object.apiVersion }),
        ...(object.kind === undefined ? {} : { kind: object.kind }),
        ...(namespace === undefined ? {} : { namespace }),
        name,
        ...(uid === undefined ? {} : { uid }),
      },
      type,
      reason,
      message,
      source: {
        component: this.#component,
        ...(this.#instance === undefined ? {} : { host: this.#instance }),
      },
      reportingComponent: this.#component,
      ...(this.#instance === undefined ? {} : { reportingInstance: this.#instance }),
      firstTimestamp: now,
    }
  }
}

/** The start of a text. It does not keep the rest of the text in memory, as a slice does. */
function cut(text: string, length: number): string {
  return text.length <= length ? text : Buffer.from(text.slice(0, length)).toString()
}
