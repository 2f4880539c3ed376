/**
 * Keeps one copy of equal values, so that thousands of objects share them.
 * It holds between one and two times `capacity` values: the oldest half goes when a new half is full.
 * A value that goes stays valid for those who have it.
 */
export class Interner<T> {
  readonly #capacity: number
  #young = new Map<string, T>()
  #old = new Map<string, T>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /**
   * The first value that came with this key.
   *
   * @param key equal for equal values only
   */
  share(key: string, value: T): T {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const shared = this.#old.get(key) ?? value
    if (this.#young.size >= this.#capacity) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, shared)
    return shared
  }
}
