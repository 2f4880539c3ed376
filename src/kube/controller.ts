import type { HandlerResult, WorkQueue } from './work-queue.ts'

/** A controller: a queue of keys, and a function that reconciles one key. */
export interface Controller {
  /** Name in metrics, logs and the dump. */
  readonly name: string
  readonly queue: WorkQueue<string>
  /** Keys that are reconciled at the same time. */
  readonly workers: number
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<HandlerResult>
}

/** Runs controllers until the signal fires, then waits for running reconciles. */
export async function runControllers(
  controllers: readonly Controller[],
  {
    signal,
    measure,
    onError,
  }: {
    readonly signal: AbortSignal
    /** Runs a reconcile and counts it. */
    readonly measure: <T>(controller: string, reconcile: () => Promise<T>) => Promise<T>
    readonly onError: (controller: string, key: string, error: unknown) => void
  },
): Promise<void> {
  await Promise.all(
    controllers.map(({ name, queue, workers, reconcile }) =>
      queue.run({
        workers,
        handler: (key, cutOff) => measure(name, () => reconcile(key, cutOff)),
        signal,
        onError: (key, error) => onError(name, key, error),
      }),
    ),
  )
}
