import type { KubeObject } from './object.ts'
import type { KubeClient, KubeRequest } from './client.ts'
import { type WatchEvent, watchEvents } from './watch.ts'

/** A kind of object and its path at the API server. */
export interface ResourceDef {
  /** Empty for the core group. */
  readonly group: string
  readonly version: string
  /** Plural name in the path, such as `pods`. */
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
}

/** Settings for each request of a Resource. */
export type ResourceOptions = Pick<KubeRequest, 'retries' | 'timeoutMs' | 'forLease'>

/** Name of one object. */
export interface ObjectName {
  readonly name: string
  readonly namespace?: string | undefined
}

/** A request that a signal can abort. */
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
  /** Version of the collection that the items show. A watch continues from it. */
  readonly resourceVersion: string
  /** Token of the next page. Absent on the last page. */
  readonly continue?: string
}

/** Options of a write. */
export interface WriteOptions extends Abortable {
  readonly dryRun?: boolean | undefined
  readonly subresource?: 'status' | undefined
}

/** Options of a watch. */
export interface WatchOptions extends Selection, Abortable {
  readonly resourceVersion?: string | undefined
  /**
   * Start with an `ADDED` event for each existing object, then a bookmark with the annotation
   * `k8s.io/initial-events-end` (KEP-3157).
   */
  readonly sendInitialEvents?: boolean | undefined
  /** Seconds after which the server ends the watch; default 300. */
  readonly timeoutSeconds?: number | undefined
  /**
   * Milliseconds without a byte after which the watch fails; default 150 000. The server sends a bookmark
   * each minute.
   */
  readonly silenceTimeoutMs?: number | undefined
}

/** Time beyond `timeoutSeconds` in which the server must end a watch. */
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

  /** Reads one object, in its latest state in etcd. */
  get(target: ObjectName & Abortable): Promise<T> {
    return this.#request<T>({ verb: 'get', path: this.#path(target), signal: target.signal })
  }

  /**
   * Reads a collection, or one page of it with `limit`. Each item has apiVersion and kind, as in a single
   * read.
   */
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

  /** Creates an object. Throws `AlreadyExists` when the name is in use. */
  create(object: T, options: Omit<WriteOptions, 'subresource'> = {}): Promise<T> {
    return this.#request<T>({
      verb: 'create',
      path: this.#path({ namespace: object.metadata.namespace }),
      query: { dryRun: options.dryRun ? 'All' : undefined },
      body: { ...this.#type, ...object },
      signal: options.signal,
    })
  }

  /** Replaces an object. Throws `Conflict` when its resourceVersion is not the latest. */
  replace(object: T, options: WriteOptions = {}): Promise<T> {
    return this.#request<T>({
      verb: 'update',
      path: this.#path(object.metadata, options.subresource),
      query: { dryRun: options.dryRun ? 'All' : undefined },
      body: { ...this.#type, ...object },
      signal: options.signal,
    })
  }

  /**
   * JSON merge patch (RFC 7386): null removes a field, and a list is replaced. Throws `Conflict` when the
   * patch has a `metadata.resourceVersion` that is not the latest.
   */
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
   * Server-side apply: sets the fields of the object and records `fieldManager` as their owner. Creates the
   * object if it is missing. Throws `Conflict` when another manager owns a field, unless `force` is set.
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
      // JSON is valid YAML, and every server with apply accepts this type. The JSON type came later.
      contentType: 'application/apply-patch+yaml',
      signal: options.signal,
    })
  }

  /** Deletes an object. Throws `NotFound` when it is missing, `Conflict` when a precondition fails. */
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

  /**
   * Yields the changes of a collection until the server ends the watch. Throws KubeError, with `Gone` for a
   * resourceVersion that is too old.
   */
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
