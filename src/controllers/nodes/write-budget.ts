/** Bytes that all nodes together may write per second, for each kind of write. */
const BYTES_PER_SECOND = 1_000_000
/** Time that a kind of write may save up, in milliseconds. */
const BURST_MS = 500

/**
 * Kind of a write.
 * - `work`: a pull or a removal waits for it, or a cache waits for its result.
 * - `record`: the rest.
 */
export type WriteKind = 'work' | 'record'

interface Turns {
  /** When the next write may begin, in milliseconds. */
  free: number
  readonly byNode: Map<string, number>
}

/**
 * Limits what all nodes together write to the API server, in writes and in bytes.
 * A node that must wait gets a turn and keeps it. Writes that work waits for have a share of their own, so
 * that a new node does not wait for the records of thousands.
 */
export class WriteBudget {
  readonly #msPerWrite: number
  readonly #turns: Readonly<Record<WriteKind, Turns>> = {
    work: { free: 0, byNode: new Map() },
    record: { free: 0, byNode: new Map() },
  }

  constructor(writesPerSecond: number) {
    this.#msPerWrite = 1000 / writesPerSecond
  }

  /**
   * Milliseconds until a node may write. 0: now, and its turn is used up.
   *
   * @param bytes size of what is written
   * @param now on a clock that never goes back
   */
  waitMs(node: string, kind: WriteKind, bytes: number, now: number): number {
    const turns = this.#turns[kind]
    const at = turns.byNode.get(node) ?? this.#nextTurn(kind, bytes, now)
    if (at > now) {
      turns.byNode.set(node, at)
      return at - now
    }
    turns.byNode.delete(node)
    return 0
  }

  /** Gives back the turns of a node. */
  forget(node: string): void {
    for (const { byNode } of Object.values(this.#turns)) byNode.delete(node)
  }

  #nextTurn(kind: WriteKind, bytes: number, now: number): number {
    const turns = this.#turns[kind]
    // Records leave half of the writes to work while there is any.
    const share = kind === 'record' && this.#turns.work.free > now ? 2 : 1
    const cost = share * Math.max(this.#msPerWrite, (bytes / BYTES_PER_SECOND) * 1000)
    const at = Math.max(turns.free, now - BURST_MS)
    turns.free = at + cost
    return at
  }
}
