/** Examples that are kept, so that enough are left when some of them go. */
const KEPT = 100

/**
 * Counts nodes that have something in common, and names some of them.
 * It keeps at most 100 names, so that its size does not grow with the cluster.
 */
export class Examples<T> {
  readonly #items = new Map<string, T>()
  #total = 0

  /** Number of all nodes, named or not. */
  get total(): number {
    return this.#total
  }

  /** True where it names fewer nodes than asked for, although there are more. They must be counted again. */
  lacks(count: number): boolean {
    return this.#items.size < Math.min(count, this.#total)
  }

  add(node: string, item: T): void {
    this.#total += 1
    if (this.#items.size < KEPT) this.#items.set(node, item)
  }

  remove(node: string): void {
    this.#total -= 1
    this.#items.delete(node)
  }

  /** The first `count` examples, by the names of the nodes. */
  first(count: number): { readonly node: string; readonly item: T }[] {
    return [...this.#items]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, count)
      .map(([node, item]) => ({ node, item }))
  }
}
