import type { KubeObject } from './object.ts'
import type { KubeClient, KubeRequest } from './client.ts'
import { type WatchEvent, watchEvents } from './watch.ts'

/** Which kind of object, and where the API server serves it. */
export interface ResourceDef {
  /** Empty for the core group. */
  readonly group: string
  readonly version: string
  /** As in the path: `pods`. */
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
}

/** How the requests of a Resource are sent. */
export type ResourceOptions = Pick<KubeRequest, 'retries' | 'timeoutMs' | 'unthrottled'>

/** Names one object. */
export interface ObjectName {
  readonly name: string
  readonly namespace?: string | undefined
}

/** Lets a request be called off. */
export interface Abortable {
  readonly signal?: AbortSignal | undefined
}

/** Selects objects of a collection. */
export interface Selection {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
}

/** One page of a collection. */
export interface ObjectList<T> {
  readonly items: T[]
  /** The state of the collection that the items show; a watch goes on from here. */
  readonly resourceVersion: string
  /** Names the next page, absent on the last. */
  readonly continue?: string
}

/** Options of every write. */
export interface WriteOptions extends Abortable {
  readonly dryRun?: boolean | undefined
  readonly subresource?: 'status' | undefined
}

/** Options of a watch. */
export interface WatchOptions extends Selection, Abortable {
  readonly resourceVersion?: string | undefined
  /** Start with an `ADDED` for each existing object, then a bookmark annotated `k8s.io/initial-events-end` (KEP-3157). */
  readonly sendInitialEvents?: boolean | undefined
  /** After how many seconds the server ends it; default 300. */
  readonly timeoutSeconds?: number | undefined
  /** After how many milliseconds without a byte it counts as dead; default 150 000: bookmarks come once a minute. */
  readonly silenceTimeoutMs?: number | undefined
}

/** How long the client waits beyond `timeoutSeconds` for the server to end a watch. */
const WATCH_LINGER_MS = 30_000
const DEFAULT_WATCH_SECONDS = 300
const DEFAULT_SILENCE_MS = 150_000

interface RawList<T> {
  readonly items?: T[] | null
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string }
}

/** Operations on one kind of object. All throw KubeError. */
export class Resource<T extends KubeObject> {
  readonly def: ResourceDef
  readonly #client: KubeClient
  readonly #options: ResourceOptions

  constructor(client: KubeClient, def: ResourceDef, options: ResourceOptions = {}) {
    this.#client = client
    this.def = def
    this.#options = options
  }

  /** Reads one object from etcd's latest state. */
  get(target: ObjectName & Abortable): Promise<T> {
    return this.#request<T>({ verb: 'get', path: this.#path(target), signal: target.signal })
  }

  /** Reads a collection, or with `limit` one page of it. Items carry apiVersion and kind as if read one by one. */
  async list(
    options: Selection & Abortable & { readonly limit?: number; readonly continue?: string | undefined } = {},
  ): Promise<ObjectList<T>> {
    const { namespace, signal, labelSelector, fieldSelector, limit } = options
    const list = await this.#request<RawList<T>>({
      verb: 'list',
      path: this.#path({ namespace }),
      query: { labelSelector, fieldSelector, limit, continue: options.continue },
      signal,
    })
    const next = list.metadata?.continue
    return {
      items: (list.items ?? []).map(item => ({ ...this.#type, ...item })),
      resourceVersion: list.metadata?.resourceVersion ?? '',
      ...(next ? { continue: next } : {}),
    }
  }

  /** Creates an object; `AlreadyExists` when its name is taken. */
  create(object: T, options: Omit<WriteOptions, 'subresource'> = {}): Promise<T> {
    return this.#request<T>({
      verb: 'create',
      path: this.#path({ namespace: object.metadata.namespace }),
      query: { dryRun: options.dryRun ? 'All' : undefined },
      body: { ...this.#type, ...object },
      signal: options.signal,
    })
  }

  /** Replaces an object; `Conflict` when it carries a resourceVersion that is not the latest. */
  replace(object: T, options: WriteOptions = {}): Promise<T> {
    return this.#request<T>({
      verb: 'update',
      path: this.#path(object.metadata, options.subresource),
      query: { dryRun: options.dryRun ? 'All' : undefined },
      body: { ...this.#type, ...object },
      signal: options.signal,
    })
  }

  /** JSON merge patch (RFC 7386): null removes a field, lists are replaced. A `metadata.resourceVersion` in it is checked. */
  mergePatch(target: ObjectName, patch: unknown, options: WriteOptions = {}): Promise<T> {
    return this.#request<T>({
      verb: 'patch',
      path: this.#path(target, options.subresource),
      query: { dryRun: options.dryRun ? 'All' : undefined },
      body: patch,
      contentType: 'application/merge-patch+json',
      signal: options.signal,
    })
  }

  /**
   * Server-side apply: makes the object's fields so, creating it if needed, and remembers that `fieldManager` set them.
   * `Conflict` when another manager owns one of them, unless `force`.
   */
  apply(
    object: Partial<T> & KubeObject,
    options: WriteOptions & { readonly fieldManager: string; readonly force?: boolean | undefined },
  ): Promise<T> {
    return this.#request<T>({
      verb: 'patch',
      path: this.#path(object.metadata, options.subresource),
      query: {
        fieldManager: options.fieldManager,
        force: options.force,
        dryRun: options.dryRun ? 'All' : undefined,
      },
      body: { ...this.#type, ...object },
      // JSON is YAML, and every server that knows apply takes this type; the JSON name for it came later.
      contentType: 'application/apply-patch+yaml',
      signal: options.signal,
    })
  }

  /** Asks for deletion; `NotFound` when there is nothing, `Conflict` when a precondition does not hold. */
  async delete(
    target: ObjectName,
    options: Abortable & {
      readonly propagationPolicy?: 'Foreground' | 'Background' | 'Orphan'
      readonly preconditions?: {
        readonly uid?: string | undefined
        readonly resourceVersion?: string | undefined
      }
      readonly gracePeriodSeconds?: number
    } = {},
  ): Promise<void> {
    const { signal, ...deleteOptions } = options
    await this.#request<unknown>({
      verb: 'delete',
      path: this.#path(target),
      body: { apiVersion: 'v1', kind: 'DeleteOptions', ...deleteOptions },
      signal,
    })
  }

  /** The changes of a collection as they happen. Ends when the server ends it; throws KubeError, `Gone` for a too old resourceVersion. */
  async *watch(options: WatchOptions = {}): AsyncGenerator<WatchEvent<T>, void, void> {
    const { namespace, labelSelector, fieldSelector, resourceVersion, sendInitialEvents } = options
    const timeoutSeconds = options.timeoutSeconds ?? DEFAULT_WATCH_SECONDS
    const path = this.#path({ namespace })
    const stream = await this.#client.stream({
      verb: 'watch',
      path,
      query: {
        watch: true,
        allowWatchBookmarks: true,
        timeoutSeconds,
        labelSelector,
        fieldSelector,
        resourceVersion,
        ...(sendInitialEvents ? { sendInitialEvents, resourceVersionMatch: 'NotOlderThan' } : {}),
      },
      signal: options.signal,
      timeoutMs: timeoutSeconds * 1000 + WATCH_LINGER_MS,
      silenceTimeoutMs: options.silenceTimeoutMs ?? DEFAULT_SILENCE_MS,
    })
    yield* watchEvents<T>(stream, `watch ${path}`)
  }

  get #type(): { apiVersion: string; kind: string } {
    const { group, version, kind } = this.def
    return { apiVersion: group === '' ? version : `${group}/${version}`, kind }
  }

  #path(target: { name?: string; namespace?: string | undefined }, subresource?: string): string {
    const { group, version, plural, namespaced } = this.def
    const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
    const scope = namespaced && target.namespace ? `/namespaces/${encodeURIComponent(target.namespace)}` : ''
    const name = target.name === undefined ? '' : `/${encodeURIComponent(target.name)}`
    return `${root}${scope}/${plural}${name}${subresource ? `/${subresource}` : ''}`
  }

  #request<R>(request: KubeRequest): Promise<R> {
    return this.#client.request<R>({ ...this.#options, ...request })
  }
}
