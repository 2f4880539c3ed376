const FIRST_MS = 5_000
/** Nothing tells that a quota was raised: this is how long that may go unnoticed. */
const MAX_MS = 60_000
/** How long to wait for how the one fares who was let through: a Job without a Pod is explained within seconds. */
const TRIAL_MS = 10_000
/** Namespaces whose recovery is remembered; forgetting one costs its images their pause, no more. */
const MAX_RECOVERED = 10_000

interface Refusal {
  readonly message: string
  readonly attempts: number
  until: number
  /** Somebody was let through since the last refusal. */
  isOnTrial: boolean
}

/**
 * Namespaces where the API server lets no Job or no Pod be made (quota, Pod Security, admission): one node tries again
 * after a growing pause, the others wait for how it fares.
 */
export class RefusedNamespaces {
  readonly #refusals = new Map<string, Refusal>()
  readonly #recovered = new Map<string, string>()

  /** Why no Job can be made in this namespace now; undefined where nothing is known against it, or its pause is over. */
  messageFor(namespace: string, now: number): string | undefined {
    const refusal = this.#refusals.get(namespace)
    return refusal && now < refusal.until ? refusal.message : undefined
  }

  /** Whether a Job may be made there now. When a pause is over, the one who asks first may try, and nobody else meanwhile. */
  mayTry(namespace: string, now: number): boolean {
    const refusal = this.#refusals.get(namespace)
    if (!refusal) return true
    if (now < refusal.until) return false
    refusal.until = now + TRIAL_MS
    refusal.isOnTrial = true
    return true
  }

  /** A Job or its Pod was refused. Those that were under way when the first one was refused count as one with it. */
  refuse(namespace: string, message: string, now: number): void {
    const before = this.#refusals.get(namespace)
    if (before && !before.isOnTrial && now < before.until) return
    const attempts = (before?.attempts ?? 0) + 1
    const pause = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(attempts - 1, 10))
    this.#refusals.set(namespace, { message, attempts, until: now + pause, isOnTrial: false })
  }

  /** End of the pause, in milliseconds since the epoch; undefined where nothing is known against the namespace. */
  refusedUntil(namespace: string): number | undefined {
    return this.#refusals.get(namespace)?.until
  }

  /** A Pod was made there: all is well. True where it had been refused before. */
  clear(namespace: string, now: number): boolean {
    const wasRefused = this.#refusals.delete(namespace)
    if (this.#recovered.size >= MAX_RECOVERED) this.#recovered.clear()
    if (wasRefused) this.#recovered.set(namespace, new Date(now).toISOString())
    return wasRefused
  }

  /** When Pods could be made there again after a refusal, or may be tried to be, RFC 3339; undefined where there was none. */
  recoveredAt(namespace: string, now: number): string | undefined {
    const refusal = this.#refusals.get(namespace)
    if (!refusal) return this.#recovered.get(namespace)
    return now < refusal.until ? undefined : new Date(now).toISOString()
  }
}

/** Refusals of each kind of Job, which are told apart: Pod Security lets in Pods that pull where it refuses those that remove. */
export interface Refusals {
  readonly pulls: RefusedNamespaces
  readonly removals: RefusedNamespaces
}
