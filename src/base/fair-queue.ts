/**
 * A queue of distinct items in groups, with a greatest size. Each group has its turn, so that no group waits
 * for the many items of another one. When the queue is full, the group with the most items loses one.
 */
export class FairQueue<T> {
  readonly #capacity: number
  /** The group whose turn is next comes first. */
  readonly #groups = new Map<string, Set<T>>()
  #size = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get size(): number {
    return this.#size
  }

  /** Adds an item, if it is not there. Returns the item that is lost for it: undefined where none is. */
  add(group: string, item: T): T | undefined {
    const items = this.#groups.get(group) ?? new Set()
    if (items.has(item)) return undefined
    items.add(item)
    this.#groups.set(group, items)
    this.#size++
    return this.#size > this.#capacity ? this.#takeFrom(this.#largest()) : undefined
  }

  /** Takes the oldest item of the group whose turn it is. Undefined when the queue is empty. */
  take(): T | undefined {
    for (const group of this.#groups.keys()) {
      const item = this.#takeFrom(group)
      const rest = this.#groups.get(group)
      if (rest) {
        this.#groups.delete(group)
        this.#groups.set(group, rest)
      }
      return item
    }
    return undefined
  }

  /** Takes all items. Returns their number. */
  clear(): number {
    const size = this.#size
    this.#groups.clear()
    this.#size = 0
    return size
  }

  #takeFrom(group: string): T | undefined {
    const items = this.#groups.get(group)
    for (const item of items ?? []) {
      items?.delete(item)
      if (items?.size === 0) this.#groups.delete(group)
      this.#size--
      return item
    }
    return undefined
  }

  #largest(): string {
    let [largest, most] = ['', 0]
    for (const [group, { size }] of this.#groups) if (size > most) [largest, most] = [group, size]
    return largest
  }
}
