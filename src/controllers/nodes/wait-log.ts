import { WAITS, type Wait } from '../../engines/engine.ts'
import type { Logger } from '../../kube/index.ts'

/** Waits that are part of each pull. They are logged at the level debug. */
const ROUTINE: ReadonlySet<Wait['reason']> = new Set(['PullRuns', 'RemovalRuns', 'PullLimit', 'TagDigest'])

/** Says once for each change why a node with open work starts nothing. */
export class WaitLog {
  readonly #log: Logger
  readonly #waits = new Map<string, { readonly open: number; readonly reason: Wait['reason'] }>()

  constructor(log: Logger) {
    this.#log = log
  }

  /**
   * @param open images that could be pulled or removed now
   * @param reason why none is; undefined where one is
   */
  note(node: string, open: number, reason: Wait['reason'] | undefined): void {
    const before = this.#waits.get(node)
    if (open === 0 || reason === undefined) {
      this.#waits.delete(node)
      return
    }
    this.#waits.set(node, { open, reason })
    if (before?.reason === reason) return
    const fields = { node, open, waitingFor: reason }
    if (ROUTINE.has(reason)) this.#log.debug(fields, WAITS[reason])
    else this.#log.info(fields, WAITS[reason])
  }

  /** Forgets a node that is gone. */
  forget(node: string): void {
    this.#waits.delete(node)
  }

  /** What nodes wait for now, for a dump. */
  dump(): readonly object[] {
    return [...this.#waits].map(([node, { open, reason }]) => ({ node, open, waitingFor: reason }))
  }
}
