/**
 * The truth of one node: which images it holds, and how its registry and its runtime answer. Both engines
 * of the contract work on it. The name of an image says what happens to it:
 * - `missing`: the registry does not have it.
 * - `flaky`: the first pull fails, and the next one succeeds.
 * - `slow`: a pull waits until `letGo`.
 * - `used`: a container uses it, so that it cannot be removed.
 */
export class TestedNode {
  readonly name: string
  readonly images = new Set<string>()
  /** Images that the registry was asked for, in order. */
  readonly pulls: string[] = []
  /** No pull that asks the registry gets an answer. */
  registryIsDown = false
  readonly #begun = new Set<string>()
  #isSlow = true

  constructor(name: string) {
    this.name = name
  }

  /** Slow pulls end from now on. */
  letGo(): void {
    this.#isSlow = false
  }

  /**
   * Pulls an image for an attempt. Asked again and again, it counts as one pull.
   * Empty: the image is there. Undefined: the pull goes on. Else the words of its failure.
   *
   * @param attempt name of the attempt
   */
  pull(attempt: string, image: string, policy: 'Always' | 'IfNotPresent'): string | undefined {
    const key = `${attempt} ${image}`
    if (!this.#begun.has(key)) {
      if (policy === 'IfNotPresent' && this.images.has(image)) return ''
      this.#begun.add(key)
      this.pulls.push(image)
    }
    if (image.includes('slow') && this.#isSlow) return undefined
    const words = this.#failureOf(image)
    if (words === '') this.images.add(image)
    return words
  }

  /** Removes an image. False where it is in use. */
  remove(image: string): boolean {
    if (image.includes('used')) return false
    this.images.delete(image)
    return true
  }

  #failureOf(image: string): string {
    const prefix = `failed to pull and unpack image "${image}": failed to resolve image: ${image}: `
    if (this.registryIsDown) return `${prefix}dial tcp 10.0.0.1:443: i/o timeout`
    if (image.includes('missing')) return `${prefix}not found`
    const isFirst = this.pulls.filter(pulled => pulled === image).length === 1
    return image.includes('flaky') && isFirst ? `${prefix}503 Service Unavailable` : ''
  }
}
