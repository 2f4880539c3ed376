const FIRST_MS = 10_000
const MOST_MS = 600_000

interface Refusal {
  readonly message: string
  readonly attempts: number
  until: number
}

/**
 * Namespaces where the API server lets no Job or no Pod be made (quota, Pod Security, admission): one node tries again
 * after a growing pause, the others wait for how it fares.
 */
export class RefusedNamespaces {
  readonly #refusals = new Map<string, Refusal>()

  /** Why no Job can be made in this namespace now. When its pause is over, the one who asks first may try. */
  messageFor(namespace: string, now: number): string | undefined {
    const refusal = this.#refusals.get(namespace)
    if (!refusal) return undefined
    if (now < refusal.until) return refusal.message
    refusal.until = now + FIRST_MS
    return undefined
  }

  /** A Job or its Pod was refused. */
  refuse(namespace: string, message: string, now: number): void {
    const attempts = (this.#refusals.get(namespace)?.attempts ?? 0) + 1
    const pause = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempts - 1, 10))
    this.#refusals.set(namespace, { message, attempts, until: now + pause })
  }

  /** A Pod was made there: all is well. True where it had been refused before. */
  clear(namespace: string): boolean {
    return this.#refusals.delete(namespace)
  }
}
