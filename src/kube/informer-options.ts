import type { KubeObject } from './object.ts'
import type { Logger } from '../base/logger.ts'
import type { Selection } from './resource.ts'
import type { Indexer } from './store.ts'

/** What an informer watches and keeps. */
export interface InformerOptions<T extends KubeObject, R extends KubeObject = T> extends Selection {
  /** Keeps only what is needed of an object, before it is cached: most of the memory saved is saved here. Must keep name, namespace, uid, resourceVersion. */
  readonly project?: (raw: R) => T
  readonly indexers?: Readonly<Record<string, Indexer<T>>>
  readonly log?: Logger
  /** For tests: shorter times than the defaults of `INFORMER_TIMING`. */
  readonly timing?: Partial<InformerTiming>
}

/** Times that an informer goes by. */
export interface InformerTiming {
  /** A watch is asked to end after a random time between this and twice this, so that many clients do not come back at once (as client-go). */
  readonly watchSeconds: number
  /** A watch without a byte for so long is given up. */
  readonly silenceMs: number
  /** A watch-list that begins with so much silence is taken for a server that ignores `sendInitialEvents`. */
  readonly initialSilenceMs: number
}

/** The API server sends a bookmark a minute; two missing ones and a half make a dead connection. */
export const INFORMER_TIMING: InformerTiming = {
  watchSeconds: 300,
  silenceMs: 150_000,
  initialSilenceMs: 20_000,
}
