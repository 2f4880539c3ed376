import type { WatchLiveness } from '../kube/index.ts'

/**
 * Time after which a watch without activity, or a running handler, counts as stuck. Both end much earlier,
 * with or without an API server or a registry: a watch within 10 minutes, and a handler when its queue cuts it
 * off (`handlerTimeoutMs`). Only a handler that ignores its signal takes longer.
 */
const STUCK_MS = 1_800_000

/**
 * Why this process is stuck, as a sentence for `/healthz`. Undefined when nothing is stuck. Only a restart
 * solves such a problem. An API server that does not answer is no such problem: its requests are retried.
 */
export function livenessProblem(
  informers: readonly WatchLiveness[],
  queues: Readonly<Record<string, { readonly longestHandlerMs: number }>>,
): string | undefined {
  const silent = informers.find(informer => informer.inactiveMs > STUCK_MS)
  if (silent) return `the watch of ${silent.plural} has been silent for ${minutes(silent.inactiveMs)} minutes`
  const busy = Object.entries(queues).find(([, queue]) => queue.longestHandlerMs > STUCK_MS)
  return (
    busy &&
    `a worker of the queue "${busy[0]}" has been busy for ${minutes(busy[1].longestHandlerMs)} minutes`
  )
}

function minutes(ms: number): number {
  return Math.floor(ms / 60_000)
}
