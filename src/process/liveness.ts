import type { KubeObject } from '../api/object.ts'
import type { Informer } from '../kube/index.ts'

/** What an informer shows of its loop. */
export type WatchLiveness = Pick<Informer<KubeObject>, 'plural' | 'quietMs'>

/**
 * Far longer than any reconcile or watch takes, with or without an API server: a refresh asks 1 100 images of silent
 * registries within 12 minutes, a watch ends within 10.
 */
const STUCK_MS = 1_800_000

/**
 * What of this process does not come forward any more, in words; undefined where all goes on. Only a new process can help
 * then. An API server that is away makes nothing stuck: whoever waits for it tries again and again.
 */
export function livenessProblem(
  informers: readonly WatchLiveness[],
  queues: Readonly<Record<string, { readonly longestMs: number }>>,
): string | undefined {
  const silent = informers.find(informer => informer.quietMs > STUCK_MS)
  if (silent) return `the watch of ${silent.plural} has been silent for ${minutes(silent.quietMs)} minutes`
  const busy = Object.entries(queues).find(([, queue]) => queue.longestMs > STUCK_MS)
  return busy && `a worker of the queue "${busy[0]}" has been busy for ${minutes(busy[1].longestMs)} minutes`
}

function minutes(ms: number): number {
  return Math.floor(ms / 60_000)
}
