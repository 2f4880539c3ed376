import type { Attempt, LedgerEntry } from '../api/node-images.ts'
import {
  type Circuits,
  type RegistryCircuit,
  attemptEndedAt,
  hasPullFailed,
  isSilence,
} from '../core/ledger/index.ts'
import { hostOf } from '../oci/registry-host.ts'

/**
 * What pulls depend on, and whether it works: registries, and namespaces in which Jobs are made. One
 * breaker for all, keyed by (what, node).
 *
 * A circuit is *closed* while attempts get through, and *open* after they fail: then one attempt at a time
 * tries, and the others wait for its outcome.
 *
 * - A registry opens for one node when that node gets no answer, and for all nodes when two nodes get none.
 *   The ledgers
 *   of the nodes say so, so that a restart knows what was known before. Any answer closes it.
 * - A namespace opens for all when the API server refuses a Job or a Pod there (quota, Pod Security,
 *   admission). After a
 *   growing pause one node tries again. A Pod that is made closes it. Pulls and removals have circuits of
 * their own: Pod
 *   Security may admit Pods that pull where it refuses Pods that remove.
 * - The controller itself asks registries for tags. A registry that gives it no answer is open for the
 *   controller alone.
 */

/** Kind of work in a namespace. */
export type NamespaceWork = 'pulls' | 'removals'

/** Nodes that get no answer from a registry before it is open for all. */
const QUORUM = 2
/** First pause of a namespace that refuses Jobs. It doubles. */
const FIRST_PAUSE_MS = 5_000
/** Longest pause: no event tells that a quota was raised. */
const MAX_PAUSE_MS = 60_000
/** How long the others wait for the outcome of a trial. A Job without a Pod is explained within seconds. */
const TRIAL_MS = 10_000
/** Least time of a pull without a result that counts as silence of its registry. */
const SILENCE_MS = 60_000
/** Namespaces and hosts whose recovery is remembered. Forgetting one costs its images a pause. */
const MAX_REMEMBERED = 10_000

/** What is known of one registry. Times in RFC 3339, empty where it never happened. */
interface Registry {
  answeredAt: string
  /** When it last said that it is asked too often. */
  limitedAt: string
  /** When it last gave no answer, by node. */
  readonly silentAt: Map<string, string>
  /** Nodes whose ledgers mention it. Without any, nothing is known of it. */
  readonly mentionedBy: Set<string>
}

/** A namespace that refuses Jobs. */
interface Refusal {
  readonly message: string
  readonly attempts: number
  /** Milliseconds since the epoch. */
  retryAt: number
  /** A node has tried since the last refusal. */
  isOnTrial: boolean
}

/** The breaker of the controller. */
export class CircuitBreaker {
  readonly #registries = new Map<string, Registry>()
  readonly #refusals = new Map<string, Refusal>()
  readonly #openedAt = new Map<string, string>()
  /** Registries that gave the controller no answer, and until when it does not ask them. */
  readonly #silentForController = new Map<string, number>()
  readonly #answeredController = new Set<string>()

  /**
   * What one node sees of it, for pulls. `isTried(host)`: the Job of another node is pulling from the
   * registry now.
   */
  viewOf(nodeName: string, now: number, isTried: (host: string) => boolean): Circuits {
    return {
      registry: host => this.registry(host, nodeName),
      registryAnsweredAt: host => this.#registries.get(host)?.answeredAt || undefined,
      mayProbeRegistry: host => !this.#isOpenForAll(host) || !isTried(host),
      namespaceRefusal: namespace => this.refusal('pulls', namespace, now),
      namespaceOpenedAt: namespace => this.#namespaceOpenedAt(namespace, now),
      namespaceRetryAt: namespace => this.#refusals.get(keyOf('pulls', namespace))?.retryAt,
    }
  }

  /** How a node may use a registry. */
  registry(host: string, nodeName: string): RegistryCircuit {
    const registry = this.#registries.get(host)
    if (!registry) return 'untested'
    if (registry.silentAt.has(nodeName) || registry.silentAt.size >= QUORUM) return 'open'
    if (registry.limitedAt > registry.answeredAt) return 'limited'
    return registry.answeredAt ? 'closed' : 'untested'
  }

  /** Reads the ledger of one node. True where a registry that did not answer has answered again. */
  observeLedger(nodeName: string, ledger: readonly LedgerEntry[]): boolean {
    let recovered = false
    const mentioned = new Set(ledger.map(entry => hostOf(entry.image)))
    for (const [host, registry] of this.#registries) {
      if (!mentioned.has(host)) this.#forgetMention(host, registry, nodeName)
    }
    for (const entry of ledger) {
      const host = hostOf(entry.image)
      const registry = this.#registries.get(host) ?? newRegistry()
      const outcome = outcomeOf(entry, registry)
      const at = attemptEndedAt(entry)
      // What another node has found out holds as long as this ledger mentions the registry.
      if (this.#registries.has(host)) registry.mentionedBy.add(nodeName)
      if (!outcome || !at) continue
      this.#registries.set(host, registry)
      registry.mentionedBy.add(nodeName)
      if (outcome === 'silentAt') {
        if (at > (registry.silentAt.get(nodeName) ?? registry.answeredAt)) registry.silentAt.set(nodeName, at)
      } else if (at > registry[outcome]) registry[outcome] = at
      recovered = forgetOldSilence(registry) || recovered
    }
    return recovered
  }

  /** Forgets a node that is gone. */
  forgetNode(nodeName: string): void {
    for (const [host, registry] of this.#registries) this.#forgetMention(host, registry, nodeName)
  }

  /**
   * Why no Job can be made in this namespace now. Undefined where nothing is known against it, or its pause
   * is over.
   */
  refusal(work: NamespaceWork, namespace: string, now: number): string | undefined {
    const refusal = this.#refusals.get(keyOf(work, namespace))
    return refusal && now < refusal.retryAt ? refusal.message : undefined
  }

  /**
   * Undefined where a Job may be made in this namespace, else when to ask again, in milliseconds since the
   * epoch.
   * After a pause the first node that asks may try, and no other meanwhile.
   */
  enterNamespace(work: NamespaceWork, namespace: string, now: number): number | undefined {
    const refusal = this.#refusals.get(keyOf(work, namespace))
    if (!refusal) return undefined
    if (now < refusal.retryAt) return refusal.retryAt
    refusal.retryAt = now + TRIAL_MS
    refusal.isOnTrial = true
    return undefined
  }

  /**
   * The API server refused a Job or its Pod. Refusals of Jobs that were made before the first refusal count
   * as one.
   */
  refuseNamespace(work: NamespaceWork, namespace: string, message: string, now: number): void {
    const key = keyOf(work, namespace)
    const before = this.#refusals.get(key)
    if (before && !before.isOnTrial && now < before.retryAt) return
    const attempts = (before?.attempts ?? 0) + 1
    const pause = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempts - 1, 10))
    this.#refusals.set(key, { message, attempts, retryAt: now + pause, isOnTrial: false })
  }

  /** A Pod was made in the namespace. True where it had refused Jobs before. */
  openNamespace(work: NamespaceWork, namespace: string, now: number): boolean {
    const key = keyOf(work, namespace)
    const wasRefused = this.#refusals.delete(key)
    if (this.#openedAt.size >= MAX_REMEMBERED) this.#openedAt.clear()
    if (wasRefused) this.#openedAt.set(key, new Date(now).toISOString())
    return wasRefused
  }

  /**
   * The registry gave the controller no answer. It is not asked before `until`, in milliseconds since the
   * epoch.
   */
  silenceForController(host: string, until: number): void {
    if (this.#silentForController.size >= MAX_REMEMBERED) this.#silentForController.clear()
    this.#silentForController.set(host, until)
  }

  /** True while the controller does not ask a registry. */
  isSilentForController(host: string, now: number): boolean {
    return (this.#silentForController.get(host) ?? 0) > now
  }

  /** The registry answered the controller. */
  answeredController(host: string): void {
    this.#silentForController.delete(host)
    if (this.#answeredController.size >= MAX_REMEMBERED) this.#answeredController.clear()
    this.#answeredController.add(host)
  }

  /** True where the registry has answered the controller before: there is a route to it. */
  hasAnsweredController(host: string): boolean {
    return this.#answeredController.has(host)
  }

  /** Circuits that are not closed, for a dump. */
  dump(now: number): object {
    return {
      registries: [...this.#registries]
        .filter(([, { silentAt, limitedAt, answeredAt }]) => silentAt.size > 0 || limitedAt > answeredAt)
        .map(([host, { silentAt, ...times }]) => ({
          host,
          ...times,
          silentAt: Object.fromEntries(silentAt),
        })),
      namespaces: [...this.#refusals].map(([key, { message, attempts, retryAt }]) => ({
        key,
        message,
        attempts,
        retryInMs: retryAt - now,
      })),
      silentForController: [...this.#silentForController]
        .filter(([, until]) => until > now)
        .map(([host, until]) => ({ host, untilMs: until - now })),
    }
  }

  #isOpenForAll(host: string): boolean {
    return (this.#registries.get(host)?.silentAt.size ?? 0) >= QUORUM
  }

  #namespaceOpenedAt(namespace: string, now: number): string | undefined {
    const refusal = this.#refusals.get(keyOf('pulls', namespace))
    if (!refusal) return this.#openedAt.get(keyOf('pulls', namespace))
    return now < refusal.retryAt ? undefined : new Date(now).toISOString()
  }

  #forgetMention(host: string, { silentAt, mentionedBy }: Registry, nodeName: string): void {
    silentAt.delete(nodeName)
    if (mentionedBy.delete(nodeName) && mentionedBy.size === 0) this.#registries.delete(host)
  }
}

/** The view with outcomes that were recorded at `now`, before other nodes can see them. */
export function withLatest(circuits: Circuits, ledger: readonly LedgerEntry[], now: number): Circuits {
  const latest = new CircuitBreaker()
  latest.observeLedger(
    '',
    ledger.filter(entry => Date.parse(attemptEndedAt(entry) ?? '') === now),
  )
  const view = latest.viewOf('', now, () => false)
  return {
    ...circuits,
    registry: host => (view.registry(host) === 'untested' ? circuits.registry(host) : view.registry(host)),
    registryAnsweredAt: host => view.registryAnsweredAt(host) ?? circuits.registryAnsweredAt(host),
  }
}

function keyOf(work: NamespaceWork, namespace: string): string {
  return `${work} ${namespace}`
}

function newRegistry(): Registry {
  return { answeredAt: '', limitedAt: '', silentAt: new Map(), mentionedBy: new Set() }
}

/** An answer to any node ends all older silence. True where there was some. */
function forgetOldSilence({ answeredAt, silentAt }: Registry): boolean {
  const old = [...silentAt].filter(([, at]) => at <= answeredAt)
  for (const [nodeName] of old) silentAt.delete(nodeName)
  return old.length > 0
}

/** Failures that the registry answered with. */
const ANSWERS = new Set(['ImageNotFound', 'Unauthorized', 'NoMatchingPlatform', 'InvalidManifest'])

function outcomeOf(
  entry: LedgerEntry,
  registry: Registry,
): 'answeredAt' | 'limitedAt' | 'silentAt' | undefined {
  const { attempt } = entry
  // Without an attempt of an engine, nobody asked the registry.
  if (!attempt?.id) return undefined
  if (attempt.state === 'Succeeded') return 'answeredAt'
  if (!hasPullFailed(entry) || !attempt.reason) return undefined
  if (ANSWERS.has(attempt.reason)) return 'answeredAt'
  if (attempt.reason === 'RateLimited') return 'limitedAt'
  if (attempt.reason === 'RegistryUnavailable') return isSilence(entry) ? 'silentAt' : 'answeredAt'
  // One large image may take longer than the deadline. A registry that gave other images is not silent.
  const isSilent = attempt.reason === 'Timeout' && !registry.answeredAt && hasWaited(attempt)
  return isSilent ? 'silentAt' : undefined
}

/** False where the deadline was too short to tell silence: the author of one cache may have set it. */
function hasWaited({ startedAt = '', finishedAt = '' }: Attempt): boolean {
  return !(Date.parse(finishedAt) - Date.parse(startedAt) < SILENCE_MS)
}
