import { type LedgerEntry } from '../../api/node-images.ts'
import { hostOf } from './registry-host.ts'

/** Words of a registry that gave no answer at all, as against one that answered with an error. */
const SILENCE =
  /dial tcp|i\/o timeout|no such host|deadline exceeded|connection (refused|reset)|no route to host|unreachable|TLS handshake/i

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
      const kind = outcome(entry)
      if (!kind || !entry.finishedAt) continue
      const host = hostOf(entry.image)
      const health = this.#hosts.get(host) ?? { answered: '', silent: '' }
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

function isFailing(health: Health): boolean {
  return health.silent > health.answered
}

function outcome(entry: LedgerEntry): keyof Health | undefined {
  // Without a Job, nobody asked the registry.
  if (!entry.job) return undefined
  if (entry.state === 'Present') return 'answered'
  if (entry.state !== 'Failed') return undefined
  switch (entry.reason) {
    case 'RateLimited':
      return 'silent'
    case 'RegistryUnavailable':
      return SILENCE.test(entry.message ?? '') ? 'silent' : 'answered'
    case 'Timeout':
      return 'silent'
    case 'ImageNotFound':
    case 'Unauthorized':
    case 'NoMatchingPlatform':
    case 'InvalidManifest':
      return 'answered'
    default:
      return undefined
  }
}
