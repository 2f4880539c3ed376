import { hasFailed } from '../../api/failure-reasons.ts'
import { type LedgerEntry } from '../../api/node-images.ts'
import { type RegistryView } from './node-work.ts'
import { hostOf } from './registry-host.ts'

/** Words of a registry that gave no answer at all, as against one that answered with an error. */
const SILENCE =
  /dial tcp|i\/o timeout|no such host|deadline ?exceeded|timeout awaiting|connection (refused|reset)|no route to host|unreachable|TLS handshake|did not answer/i

interface Health {
  /** RFC 3339; empty where it never did. */
  answered: string
  silent: string
}

/**
 * What the ledgers of all nodes say about each registry: whether it answers. Filled from the ledgers alone, so that a
 * restart knows what was known before.
 */
export class RegistryHealth {
  readonly #hosts = new Map<string, Health>()

  /** Takes in the entries of one node; true where a registry that did not answer is back. */
  observe(ledger: readonly LedgerEntry[]): boolean {
    let recovered = false
    for (const entry of ledger) {
      const host = hostOf(entry.image)
      const health = this.#hosts.get(host) ?? { answered: '', silent: '' }
      const kind = outcome(entry, health)
      if (!kind || !entry.finishedAt) continue
      this.#hosts.set(host, health)
      const wasFailing = isFailing(health)
      if (entry.finishedAt > health[kind]) health[kind] = entry.finishedAt
      recovered ||= wasFailing && !isFailing(health)
    }
    return recovered
  }

  /** `unknown` until a pull was seen to end; `failing` while the last that ended got no answer. */
  state(host: string): 'good' | 'unknown' | 'failing' {
    const health = this.#hosts.get(host)
    if (!health) return 'unknown'
    return isFailing(health) ? 'failing' : 'good'
  }

  /** When it last answered, RFC 3339. */
  lastSuccess(host: string): string | undefined {
    return this.#hosts.get(host)?.answered || undefined
  }
}

/** The view with what was recorded just now, which nobody else has seen yet. */
export function withLatest(view: RegistryView, ledger: readonly LedgerEntry[], now: number): RegistryView {
  const latest = new RegistryHealth()
  latest.observe(ledger.filter(entry => Date.parse(entry.finishedAt ?? '') === now))
  return {
    state: host => (latest.state(host) === 'unknown' ? view.state(host) : latest.state(host)),
    lastSuccess: host => latest.lastSuccess(host) ?? view.lastSuccess(host),
    mayProbe: (host, nodeName) => view.mayProbe(host, nodeName),
  }
}

/** True where the pull failed because its registry gave no answer at all. */
export function isSilence(entry: LedgerEntry): boolean {
  return entry.reason === 'RegistryUnavailable' && SILENCE.test(entry.message ?? '')
}

function isFailing(health: Health): boolean {
  return health.silent > health.answered
}

/** Failures that a registry's answer stands behind. */
const ANSWERS = new Set(['ImageNotFound', 'Unauthorized', 'NoMatchingPlatform', 'InvalidManifest'])

function outcome(entry: LedgerEntry, health: Health): keyof Health | undefined {
  // Without a Job, nobody asked the registry.
  if (!entry.job) return undefined
  if (!hasFailed(entry)) return entry.state === 'Present' ? 'answered' : undefined
  if (!entry.reason) return undefined
  if (ANSWERS.has(entry.reason)) return 'answered'
  if (entry.reason === 'RateLimited') return 'silent'
  if (entry.reason === 'RegistryUnavailable') return isSilence(entry) ? 'silent' : 'answered'
  // A registry that gave other images is not silent because one large image takes long.
  return entry.reason === 'Timeout' && !health.answered ? 'silent' : undefined
}
