/** Time until image volumes are tried again in a namespace. */
const RETRY_MS = 3_600_000

/**
 * Namespaces whose Pods have lost their image volumes: the API server does not support them, or a policy of
 * the namespace took them out. One namespace says nothing about another one, so that no author can change
 * how the images of others are pulled.
 */
export class VolumeSupport {
  readonly #lostUntil = new Map<string, number>()

  /** A Pod has lost its image volumes. True where that was not known of the namespace. */
  noteLost(namespace: string, now: number): boolean {
    for (const [name, until] of this.#lostUntil) if (until <= now) this.#lostUntil.delete(name)
    const isNew = !this.#lostUntil.has(namespace)
    if (isNew) this.#lostUntil.set(namespace, now + RETRY_MS)
    return isNew
  }

  /** False while Pods of the namespace are known to lose image volumes. */
  hasVolumes(namespace: string, now: number): boolean {
    return (this.#lostUntil.get(namespace) ?? 0) <= now
  }
}
