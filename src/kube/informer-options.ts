import type { KubeObject } from './object.ts'
import type { Logger } from '../base/logger.ts'
import type { Selection } from './resource.ts'
import type { Indexer } from './store.ts'

/** What an informer watches and caches. */
export interface InformerOptions<T extends KubeObject, R extends KubeObject = T> extends Selection {
  /**
   * Reduces an object to the needed fields before it is cached. This saves most of the memory. It must keep
   * name, namespace, uid and resourceVersion.
   */
  readonly project?: (raw: R) => T
  readonly indexers?: Readonly<Record<string, Indexer<T>>>
  readonly log?: Logger
  /** For tests: shorter times than in `INFORMER_TIMING`. */
  readonly timing?: Partial<InformerTiming>
}

/** Times of an informer. */
export interface InformerTiming {
  /**
   * Shortest duration of a watch in seconds. The watch asks for a random one, up to twice as long, so that
   * clients do not reconnect at the same moment (as in client-go).
   */
  readonly watchSeconds: number
  /** A watch without a byte for this long is closed. */
  readonly silenceMs: number
  /**
   * After this much silence at the start of a watch-list the list comes in pages: the server ignores
   * `sendInitialEvents`, or is overloaded.
   */
  readonly initialSilenceMs: number
}

/** The API server sends a bookmark each minute. A connection that is silent for 2.5 minutes is dead. */
export const INFORMER_TIMING: InformerTiming = {
  watchSeconds: 300,
  silenceMs: 150_000,
  initialSilenceMs: 20_000,
}
