/** Taken places at the front of the array that are kept, so that the array is seldom copied. */
const SLACK = 1024

/** A first-in, first-out queue. Adding and taking cost the same for any length. */
export class Fifo<T> {
  #items: (T | undefined)[] = []
  /** Index of the first item. The places before it are empty. */
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** Takes the oldest item. Undefined when the queue is empty. */
  shift(): T | undefined {
    if (this.length === 0) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head] = undefined
    this.#head++
    if (this.#head >= SLACK && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }
}
