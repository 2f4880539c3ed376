import { LruMap } from '../base/lru-map.ts'

/** Calls that are remembered. A call that falls out comes again with the next period. */
const REMEMBERED = 20_000

/**
 * Calls to try a failed image again although its failure is permanent: the registry has it now, another
 * node could pull it, or this node is to find out.
 */
export class RetryCalls {
  readonly #all = new LruMap<string, string>(REMEMBERED)
  readonly #ofNodes = new LruMap<string, string>(REMEMBERED)

  /** Calls every node whose attempt ended before this time, RFC 3339. */
  callAll(key: string, at: string): void {
    this.#all.set(key, at)
  }

  /** Calls one node. */
  callNode(nodeName: string, key: string, at: string): void {
    this.#ofNodes.set(`${nodeName} ${key}`, at)
  }

  /** When a node was last called to try the image with this entry key again. Undefined: never. */
  calledAt(nodeName: string, key: string): string | undefined {
    const times = [this.#all.get(key), this.#ofNodes.get(`${nodeName} ${key}`)]
    return times.filter(time => time !== undefined).toSorted((a, b) => Date.parse(b) - Date.parse(a))[0]
  }
}
